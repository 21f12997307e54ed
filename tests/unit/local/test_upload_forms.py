"""Forms of any charset and any bytes: let in, or refused with S3's kind of error; the rest is in tests/http."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioning.buckets.folder import FolderBucket
from captioning.buckets.port import PresignedPost
from local.events import Request, Response
from local.upload_forms import UploadForms
from tests.support.clock import Clock
from tests.support.thorough import examples

CHARSETS = [
    "unicode_escape",
    "raw_unicode_escape",
    "utf_7",
    "utf-16",
    "punycode",
    "idna",
    "undefined",
    "base64",
    "a\\0b",
]
HALF = {"unicode_escape": b"\\ud800", "raw_unicode_escape": b"\\ud800", "utf_7": b"+2AA-"}


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path)


def leave(bucket: FolderBucket) -> PresignedPost:
    return bucket.presign("uploads/a", media_type="image/jpeg", max_bytes=100, seconds=60)


def body(fields: dict[bytes, bytes], *, file: bytes = b"a picture", filename: bytes | None = b"a.jpg") -> bytes:
    parts = [b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % one for one in fields.items()]
    named = b"" if filename is None else b'; filename="%s"' % filename
    parts.append(b'--b\r\nContent-Disposition: form-data; name="file"%s\r\n\r\n%s\r\n--b--\r\n' % (named, file))
    return b"".join(parts)


def post(bucket: FolderBucket, content: bytes, media_type: str) -> Response:
    headers = (("host", "localhost"), ("content-type", media_type))
    request = Request("POST", "/upload-bucket", "", headers, content, "127.0.0.1")
    return asyncio.get_event_loop().run_until_complete(UploadForms(bucket).answer(request))


def assert_is_s3s(answer: Response) -> None:
    assert 400 <= answer.status < 500
    assert dict(answer.headers)["content-type"] == "application/xml"
    assert answer.body.startswith(b"<?xml ")


def encoded(form: PresignedPost) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in form.fields.items()}


def test_leave_is_over_when_it_says_and_not_before(tmp_path: Path) -> None:
    clock = Clock()
    bucket = FolderBucket(tmp_path, now=clock.now)
    form = body(encoded(leave(bucket)))
    clock.advance(59.999)
    assert post(bucket, form, "multipart/form-data; boundary=b").status == 204
    clock.advance(0.001)
    late = post(bucket, form, "multipart/form-data; boundary=b")
    assert (late.status, b"Policy expired" in late.body) == (403, True)


@pytest.mark.parametrize("charset", CHARSETS)
def test_whatever_charset_is_named_texts_are_utf_8(bucket: FolderBucket, charset: str) -> None:
    form = f"multipart/form-data; boundary=b; charset={charset}"
    assert post(bucket, body(encoded(leave(bucket))), form).status == 204
    assert (bucket.path / "uploads/a").read_bytes() == b"a picture"


@pytest.mark.parametrize("field", [b"policy", b"x-amz-signature", b"key", b"Content-Type", b"other"])
@pytest.mark.parametrize("charset", HALF)
def test_half_a_surrogate_in_a_field_is_refused(bucket: FolderBucket, charset: str, field: bytes) -> None:
    fields = encoded(leave(bucket)) | {field: HALF[charset]}
    assert_is_s3s(post(bucket, body(fields), f"multipart/form-data; boundary=b; charset={charset}"))
    name = {**encoded(leave(bucket)), HALF[charset]: b"x"}
    assert_is_s3s(post(bucket, body(name), f"multipart/form-data; boundary=b; charset={charset}"))
    assert not (bucket.path / "uploads/a").exists()


@pytest.mark.parametrize("charset", [*CHARSETS, "utf-8"])
def test_what_is_not_utf_8_is_refused(bucket: FolderBucket, charset: str) -> None:
    for fields in ({b"policy": b"\xed\xa0\x80"}, {b"policy": b"\xff"}, {b"\xff": b"x"}):
        answer = post(bucket, body(fields), f"multipart/form-data; boundary=b; charset={charset}")
        assert_is_s3s(answer)
        assert b"<Code>InvalidArgument</Code>" in answer.body


def test_a_picture_without_a_name_keeps_every_byte(bucket: FolderBucket) -> None:
    picture = bytes(set(range(1, 80)) - {10, 13}) + b"\xff\xfe\x80\xc3"
    answer = post(bucket, body(encoded(leave(bucket)), file=picture, filename=None), "multipart/form-data; boundary=b")
    assert answer.status == 204
    assert (bucket.path / "uploads/a").read_bytes() == picture


def test_a_picture_of_any_name_is_let_in(bucket: FolderBucket) -> None:
    for name in (b"\xff.jpg", b"\\ud800", "été.jpg".encode()):
        content = body(encoded(leave(bucket)), filename=name)
        assert post(bucket, content, "multipart/form-data; boundary=b; charset=unicode_escape").status == 204


def test_a_form_whose_picture_cannot_be_written_is_to_come_again(bucket: FolderBucket) -> None:
    (bucket.path / "uploads").write_bytes(b"where the folder would be")
    answer = post(bucket, body(encoded(leave(bucket))), "multipart/form-data; boundary=b")
    assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "1")
    assert b"<Code>ServiceUnavailable</Code>" in answer.body


TEXT = st.text(max_size=12) | st.sampled_from(["b", '"b"', "b; charset=utf_7", "\\", '"', "\x00", "é", "b" * 71])


@settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    boundary=TEXT, charset=TEXT | st.sampled_from(CHARSETS), content=st.binary(max_size=60), name=st.binary(max_size=9)
)
def test_no_form_whatever_its_boundary_charset_and_bytes_is_a_failure(
    bucket: FolderBucket, boundary: str, charset: str, content: bytes, name: bytes
) -> None:
    media_type = f"multipart/form-data; boundary={boundary}; charset={charset}"
    fields = {name: content, b"policy": content, b"x-amz-signature": name}
    for form in (content, body(fields, file=content), body(fields, file=content, filename=None)):
        # As the server gives header values: Latin-1.
        assert_is_s3s(post(bucket, form, media_type.encode().decode("latin-1")))


def test_the_answers_to_what_is_not_read_are_s3s(bucket: FolderBucket) -> None:
    forms = UploadForms(bucket, origin="https://studio.example.org")
    for answer, status, code in (
        (forms.too_large(), 400, b"EntityTooLarge"),
        (forms.late(), 400, b"RequestTimeout"),
        (forms.crowded(), 503, b"SlowDown"),
    ):
        assert answer.status == status
        assert b"<Code>%s</Code>" % code in answer.body
        assert dict(answer.headers)["access-control-allow-origin"] == "https://studio.example.org"
    assert dict(forms.crowded().headers)["retry-after"] == "1"
