import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest

from local.compression import compressed
from local.events import Response

_TEXT = b"again and " * 1000


def _sent(accept_encoding: str, *, minimum: int | None = 1000, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    response = Response(200, (("content-type", "text/plain"), *headers), _TEXT)
    return asyncio.get_event_loop().run_until_complete(
        compressed(response, accept_encoding=accept_encoding, minimum=minimum)
    )


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate, gzip", "deflate"),
        ("deflate;q=0.5, gzip;q=0.9", "gzip"),
        ("gzip;q=0", None),
        ("br, gzip;q=0.9", None),
        ("*", None),
        ("gzip;q=much", None),
        (";;=,,", None),
        ("", None),
    ],
)
def test_the_coding_that_is_liked_best_is_used_if_the_gateway_knows_it(
    accept_encoding: str, coding: str | None
) -> None:
    sent = _sent(accept_encoding)

    assert dict(sent.headers).get("content-encoding") == coding
    read: dict[str | None, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        None: bytes,
    }
    assert read[coding](sent.body) == _TEXT
    assert (len(sent.body) < 200) == (coding is not None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "Accept-Encoding"),
        ((("vary", "Origin"),), "Origin, Accept-Encoding"),
        ((("vary", "Accept"), ("vary", "Origin")), "Accept, Origin, Accept-Encoding"),
        ((("vary", "accept-encoding, Origin"),), "accept-encoding, Origin"),
        ((("vary", "*"),), "*"),
    ],
)
@pytest.mark.parametrize("accept_encoding", ["gzip", ""])
def test_an_answer_says_that_it_varies_whether_it_is_compressed_or_not(
    accept_encoding: str, given: tuple[tuple[str, str], ...], told: str
) -> None:
    sent = _sent(accept_encoding, headers=given)

    assert [value for name, value in sent.headers if name == "vary"] == [told]


def test_what_is_small_or_compressed_already_is_left_alone() -> None:
    for sent in (
        _sent("gzip", minimum=len(_TEXT) + 1),
        _sent("gzip", minimum=None),
        _sent("gzip", headers=(("content-encoding", "br"),)),
    ):
        assert sent.body == _TEXT
    assert "vary" not in dict(_sent("gzip", minimum=None).headers)
    assert _sent("gzip", minimum=len(_TEXT)).body != _TEXT
