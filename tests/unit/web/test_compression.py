"""Bodies that come compressed: read within a bound, or refused with what is wrong."""

import gzip
import time
import zlib

import pytest

from web.compression import LARGEST_BODY, BodyError, decompressed

TEXT = b'{"num_suggestions": 2}' * 100


def said_of(value: object) -> str:
    """The name of a parameter: bytes that hold the time of their making would have another one in every process."""
    return "bytes" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", zlib.compress(TEXT, 9)),
        ("deflate", zlib.compress(TEXT, wbits=-15)),
        ("deflate", zlib.compress(TEXT, 0, wbits=-15)),
        # API Gateway has decompressed it, and left the header.
        ("gzip", TEXT),
        ("deflate", TEXT),
    ],
    ids=said_of,
)
def test_a_body_is_read(coding: str, sent: bytes) -> None:
    assert decompressed(sent, coding) == TEXT


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b"K", b"--b\r\n\r\n", b'{"a": "\xc3\xa9"}'])
def test_no_short_text_is_taken_for_deflate_without_a_header(body: bytes) -> None:
    assert decompressed(body, "deflate") == body
    assert decompressed(zlib.compress(body, wbits=-15), "deflate") == body


def test_an_empty_body_is_empty() -> None:
    assert decompressed(b"", "gzip") == decompressed(b"", "deflate") == decompressed(gzip.compress(b""), "gzip") == b""


def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    assert len(decompressed(gzip.compress(bytes(LARGEST_BODY), 1), "gzip")) == LARGEST_BODY
    for sent in (
        gzip.compress(bytes(LARGEST_BODY + 1), 1),
        gzip.compress(bytes(LARGEST_BODY), 1) + gzip.compress(b"x"),
    ):
        with pytest.raises(BodyError, match="over 10 MiB once it is decompressed") as caught:
            decompressed(sent, "gzip")
        assert caught.value.status == 413
    with pytest.raises(BodyError, match="over 10 MiB once it is decompressed"):
        decompressed(zlib.compress(bytes(LARGEST_BODY + 1), 1, wbits=-15), "deflate")


@pytest.mark.parametrize(
    ("coding", "sent", "status", "said"),
    [
        ("br", TEXT, 415, "must be gzip or deflate, not br"),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT)), 415, "not gzip, gzip"),
        ("zstd", b"", 415, "not zstd"),
        ("gzip", gzip.compress(TEXT)[:-1], 400, "ends too early"),
        ("gzip", gzip.compress(TEXT)[:9], 400, "ends too early"),
        ("gzip", gzip.compress(TEXT)[:-8] + bytes(8), 400, "incorrect data check"),
        ("gzip", gzip.compress(TEXT) + b"x", 400, "ends too early"),
        ("gzip", gzip.compress(TEXT) + TEXT, 400, "changed on its way"),
        # What is left of it where somebody took it for text.
        ("gzip", gzip.compress(TEXT).decode("utf-8", errors="replace").encode(), 400, "changed on its way"),
        ("gzip", gzip.compress(b"") * 65, 400, "over 64 gzip members"),
        ("deflate", zlib.compress(TEXT)[:-1], 400, "ends too early"),
    ],
    ids=said_of,
)
def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    coding: str, sent: bytes, status: int, said: str
) -> None:
    with pytest.raises(BodyError, match=said) as caught:
        decompressed(sent, coding)
    assert caught.value.status == status


def test_no_body_takes_long() -> None:
    """Each member costs a copy of what follows; six MB of the smallest ones would cost a million million bytes."""
    began = time.process_time()
    with pytest.raises(BodyError):
        decompressed(gzip.compress(b"") * 300_000, "gzip")
    assert time.process_time() - began < 2
