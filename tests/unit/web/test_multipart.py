"""Multipart bodies as clients send them: what is unambiguous is read, all else is refused in our words."""

import base64
import gzip
import json
import quopri
import zlib
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends

from local.events import Request, proxy_event
from local.functions import Context
from local.template import Route
from web.application import create_app, entry_point
from web.metrics import Metrics
from web.multipart import MAX_BOUNDARY_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_PARTS, FormPart, read_part
from web.settings import Settings

Send = Callable[..., dict[str, Any]]
BINARY = bytes(range(256)) * 3
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"'
TYPE = "multipart/form-data; boundary=b"
BINARY_TYPES = frozenset({"multipart/form-data"})


async def _file(request: fastapi.Request) -> FormPart:
    return await read_part(request, "file")


@pytest.fixture(name="send", scope="module")
def fixture_send() -> Send:
    """Sends a body to a function that answers what its part `file` has."""
    app, _ = create_app(service="test", title="Test", settings=Settings())

    @app.post("/file")
    async def file(found: Annotated[FormPart, Depends(_file)]) -> dict[str, str]:
        return {"content": base64.b64encode(found.content).decode(), "filename": found.filename}

    handler = entry_point(app, Metrics("test"))

    def send(body: bytes, content_type: str = TYPE, **headers: str) -> dict[str, Any]:
        given = [("host", "localhost"), ("content-type", content_type)]
        given += [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = Request("POST", "/file", "", tuple(given), body, "127.0.0.1")
        route = Route("POST", "/file", "Test", needs_key=False, rate=None)
        event = proxy_event(request, route, {}, stage="v1", request_id="id-1", binary_media_types=BINARY_TYPES)
        answer = handler(event, Context("Test"))
        return {"status": answer["statusCode"], **json.loads(answer["body"])}

    return send


def part(content: bytes = BINARY, *, head: bytes = b'; filename="a.jpg"', end: bytes = b"\r\n--b--\r\n") -> bytes:
    return HEAD + head + b"\r\n\r\n" + content + end


def assert_is_read(answer: dict[str, Any], content: bytes = BINARY, filename: str = "a.jpg") -> None:
    assert answer["status"] == 200, answer
    assert (base64.b64decode(answer["content"]), answer["filename"]) == (content, filename)


def test_a_file_is_read(send: Send) -> None:
    assert_is_read(send(part()))


def test_a_text_field_is_read_like_a_file_and_has_no_name(send: Send) -> None:
    assert_is_read(send(part(head=b"")), filename="")
    assert_is_read(send(part(head=b"\r\nContent-Type: image/jpeg")), filename="")
    assert_is_read(send(part(head=b'; filename=""')), filename="")


@pytest.mark.parametrize("head", [b"", b'; filename="a.jpg"'])
def test_a_part_has_any_size_that_arrives(send: Send, head: bytes) -> None:
    content = BINARY * 4_000
    answer = send(part(content, head=head))
    assert (answer["status"], len(base64.b64decode(answer["content"]))) == (200, len(content))


def test_what_says_that_it_is_base64_is_decoded(send: Send) -> None:
    for encoded in (
        base64.b64encode(BINARY),
        base64.encodebytes(BINARY),
        base64.encodebytes(BINARY).replace(b"\n", b"\r\n"),
    ):
        for name in (b"base64", b"BASE64"):
            assert_is_read(send(part(encoded, head=b'; filename="a.jpg"\r\nContent-Transfer-Encoding: ' + name)))
    for name in (b"binary", b"8bit", b"7bit"):
        assert_is_read(send(part(head=b'; filename="a.jpg"\r\nContent-Transfer-Encoding: ' + name)))
    printable = quopri.encodestring(BINARY)
    assert_is_read(send(part(printable, head=b'; filename="a.jpg"\r\nContent-Transfer-Encoding: quoted-printable')))


def test_a_missing_closing_boundary_is_no_error(send: Send) -> None:
    assert_is_read(send(part(end=b"")))
    assert_is_read(send(part(end=b"\r\n--b\r\n")))
    assert_is_read(send(part(end=b"\r\n--b")))


@pytest.mark.parametrize(
    ("name", "compress"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_compressed_body_is_read(send: Send, name: str, compress: Callable[[bytes], bytes]) -> None:
    assert_is_read(send(compress(part()), content_encoding=name))


def test_other_parts_are_passed_over(send: Send) -> None:
    other = b'--b\r\nContent-Disposition: form-data; name="comment"\r\n\r\n' + b"x" * 2_000_000 + b"\r\n"
    assert_is_read(send(other + part()))
    assert_is_read(send(b"\r\n" + part() + b"behind it"))


def test_what_stands_before_the_first_boundary_is_passed_over(send: Send) -> None:
    for preamble in (
        b"This is a message in MIME format.\r\n",
        b"--bb\r\n",
        b"-- b\r\n--b c\r\n",
        b"\r\n\r\n",
        b"\n",
        b"a\n",
    ):
        assert_is_read(send(preamble + part()))
    assert_is_read(send(part().replace(b"--b\r\n", b"--b \t\r\n", 1)))


def test_headers_may_be_folded(send: Send) -> None:
    for fold in (b"\r\n ", b"\r\n\t", b"\r\n \r\n "):
        assert_is_read(send(part(head=b";" + fold + b'filename="a.jpg"')))
        assert_is_read(send(part(head=b'; filename="a.jpg"\r\nX-Note: one,' + fold + b"two")))
    # What looks like a fold in the content is content.
    assert_is_read(send(part(b"a\r\n b\r\n\r\n\tc")), b"a\r\n b\r\n\r\n\tc")
    both = part(end=b"\r\n").replace(b'"file"', b'"other"').replace(b"; ", b";\r\n ")
    assert_is_read(send(both + part()))


def test_a_part_may_have_many_headers_and_a_boundary_be_longer_than_the_rfc_allows(send: Send) -> None:
    assert_is_read(send(part(head=b'; filename="a.jpg"' + b"\r\nX-Note: x" * (MAX_HEADERS - 1))))
    assert_is_read(send(part(head=b'; filename="a.jpg"\r\nX-Note: ' + b"x" * (MAX_HEADER_BYTES - 100))))
    for length in (70, MAX_BOUNDARY_BYTES):
        longer = b"b" * length
        body = part().replace(b"--b", b"--" + longer)
        assert_is_read(send(body, content_type="multipart/form-data; boundary=" + longer.decode()))


REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "another content type": (b"{}", {"content_type": "application/json"}, 415, "must be multipart/form-data"),
    "another charset": (part(), {"content_type": TYPE + "; charset=utf-16"}, 415, "charset must be UTF-8, not utf-16"),
    "no boundary": (part(), {"content_type": "multipart/form-data"}, 400, "leave that header to the client's library"),
    "a boundary that is far too long": (
        part(), {"content_type": TYPE + "b" * 300}, 400,
        "the content type's boundary has 301 characters; at most 256 are read, and RFC 2046 allows 70",
    ),
    "another boundary": (part(), {"content_type": "multipart/form-data; boundary=c"}, 400, "not multipart/form-data"),
    "no part": (b"--b--\r\n", {}, 422, "file: is required: the body has no part"),
    "nothing": (b"", {}, 422, "file: is required: the body has no part"),
    "another name": (part().replace(b'"file"', b'"image"'), {}, 422, "the body has a part named 'image'"),
    "no name": (part().replace(b'; name="file"', b""), {}, 422, "file: is required: the body's parts have no name"),
    "two parts": (part(end=b"\r\n") + part(), {}, 422, "file: one at a time, not 2"),
    "lines that end with LF": (part().replace(b"\r\n", b"\n"), {}, 400, "all lines end with CR and LF"),
    "headers without end": (HEAD + b"; x=" + b"x" * 10_000, {}, 400, "the body ends within the headers of a part"),
    "a header without end": (HEAD + b"; x=" + b"x" * 100_000, {}, 400, "more than 16,384 bytes"),
    "a header of 100 kB": (part(head=b"\r\nX-Note: " + b"x" * 100_000), {}, 400, "more than 16,384 bytes"),
    "headers of 20 kB": (part(head=b"\r\nX-Note: " + b"x" * 20_000), {}, 400, "more than 16,384 bytes"),
    "a folded header of 100 kB": (part(head=b"\r\nX-Note: " + b"x\r\n " * 25_000), {}, 400, "more than 16,384 bytes"),
    "5,000 headers": (part(head=b"\r\nX-Note: x" * 5_000), {}, 400, "a part of the body has more than 64 headers"),
    "nothing but a preamble": (b"This is a multipart message.\r\n", {}, 400, "not multipart/form-data"),
    "too many parts": (part(b"", end=b"\r\n") * (MAX_PARTS + 1), {}, 400, "more than 1,000 parts"),
    "base64 that is none": (
        part(head=b"\r\nContent-Transfer-Encoding: base64"), {}, 422, "file: is not base64, as its Content-Transfer",
    ),
    "another encoding": (
        part(head=b"\r\nContent-Transfer-Encoding: uuencode"), {}, 422, "the Content-Transfer-Encoding uuencode",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_our_words(send: Send, name: str) -> None:
    body, options, status, words = REFUSED[name]
    answer = send(body, **options)
    assert (answer["status"], words in answer["detail"]) == (status, True), answer
    assert answer["title"]


def test_a_files_name_is_utf_8_and_what_is_not_is_replaced(send: Send) -> None:
    assert_is_read(send(part(head='; filename="ñandú & 犬.jpg"'.encode())), filename="ñandú & 犬.jpg")
    assert_is_read(send(part(head=b'; filename="\xff.jpg"')), filename="\ufffd.jpg")
    assert_is_read(send(part(head=b'; filename="C:\\\\photos\\\\a.jpg"')), filename="a.jpg")
