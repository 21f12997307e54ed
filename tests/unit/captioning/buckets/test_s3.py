"""What the bucket in S3 does when the service is in trouble or others write too, and what it asks of the service.

Codes come from botocore's Stubber; time-outs and cut connections from real sockets of the loopback.
"""

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from captioning.buckets import open_bucket
from captioning.buckets import s3 as bucket_s3
from captioning.buckets.port import Bucket, Listing
from captioning.buckets.s3 import S3Bucket
from captioning.errors import (
    BucketError,
    BucketRefusedError,
    BucketUnavailableError,
    BucketUrlError,
    PictureTooLargeError,
    UploadGoneError,
    UploadReplacedError,
)
from captioning.outcomes import Outcome, Upload
from storage.errors import PermanentError, TransientError
from storage.urls import S3Place

KEY = "uploads/a.jpg"
PUBLISHED = {"Bucket": "pictures", "Key": f"captions/{KEY}.json"}
OUTCOME = Outcome(KEY, "B2", reason="it is damaged")
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> Iterator[S3Bucket]:
    bucket = S3Bucket(S3Place("pictures", region="eu-west-1"))
    yield bucket
    bucket.close()


@pytest.fixture
def service(made: S3Bucket) -> Iterator[Stubber]:
    """The service, which answers as it is told; a call more or less than it was told of is an error."""
    with Stubber(made._client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def read(bucket: Bucket) -> object:
    return bucket.read(Upload(KEY, "1"), max_bytes=100)


def publish(bucket: Bucket) -> object:
    return bucket.publish(OUTCOME)


def look(bucket: Bucket) -> object:
    return bucket.uploaded_at(KEY)


def browse(bucket: Bucket) -> object:
    return bucket.pictures(after="uploads/0", most=5)


CALLS: dict[str, tuple[str, Callable[[Bucket], object]]] = {
    "read": ("get_object", read),
    "publish": ("head_object", publish),
    "look": ("head_object", look),
    "browse": ("list_objects_v2", browse),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500), ("500", 500), ("503", 503)])
def test_what_waiting_cures_is_unavailable(made: S3Bucket, service: Stubber, call: str, code: str, status: int) -> None:
    operation, use = CALLS[call]
    service.add_client_error(operation, code, "not now", status)
    with pytest.raises(BucketUnavailableError, match=f"s3://pictures: .*{code}") as caught:
        use(made)
    assert isinstance(caught.value, TransientError)
    assert caught.value.retry_after >= 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("403", 403), ("NoSuchBucket", 404), ("ExpiredToken", 400), ("InvalidObjectState", 403)],
)
def test_what_a_person_must_repair_is_refused(
    made: S3Bucket, service: Stubber, call: str, code: str, status: int
) -> None:
    operation, use = CALLS[call]
    service.add_client_error(operation, code, "no", status)
    with pytest.raises(BucketRefusedError, match=f"s3://pictures: .*{code}") as caught:
        use(made)
    assert isinstance(caught.value, PermanentError)


@pytest.mark.parametrize(("code", "status"), [("NoSuchKey", 404), ("NoSuchVersion", 404), ("MethodNotAllowed", 405)])
def test_an_object_a_version_or_a_delete_marker_that_cannot_be_read_is_gone(
    made: S3Bucket, service: Stubber, code: str, status: int
) -> None:
    service.add_client_error("get_object", code, "no", status)
    with pytest.raises(UploadGoneError):
        read(made)


def test_another_object_in_its_place_is_told_by_the_etag(made: S3Bucket, service: Stubber) -> None:
    asked = {"Bucket": "pictures", "Key": KEY, "IfMatch": '"abc-2"'}
    service.add_client_error("get_object", "PreconditionFailed", "no", 412, expected_params=asked)
    with pytest.raises(UploadReplacedError):
        made.read(Upload(KEY, "1", None, "abc-2"), max_bytes=100)


def test_of_a_bucket_with_versions_the_version_is_read_whatever_came_after(made: S3Bucket, service: Stubber) -> None:
    answer = {"ContentLength": 3, "Body": StreamingBody(io.BytesIO(b"abc"), 3)}
    service.add_response("get_object", answer, {"Bucket": "pictures", "Key": KEY, "VersionId": "v7"})
    assert made.read(Upload(KEY, "1", "v7", "abc"), max_bytes=100) == b"abc"


def test_of_a_picture_that_is_too_large_not_a_byte_is_read(made: S3Bucket, service: Stubber) -> None:
    body = io.BytesIO(b"a" * 200)
    service.add_response("get_object", {"ContentLength": 200, "Body": StreamingBody(body, 200)})
    with pytest.raises(PictureTooLargeError):
        read(made)
    assert body.closed


def test_a_picture_that_breaks_off_is_unavailable(made: S3Bucket, service: Stubber) -> None:
    service.add_response("get_object", {"ContentLength": 50, "Body": StreamingBody(io.BytesIO(b"a" * 20), 50)})
    with pytest.raises(BucketUnavailableError, match="50"):
        read(made)


def test_a_listing_is_one_request_however_little_of_it_are_pictures(made: S3Bucket, service: Stubber) -> None:
    listed = [{"Key": key, "Size": 3, "LastModified": NOW} for key in ("uploads/0/", "uploads/1/")]
    asked = {"Bucket": "pictures", "Prefix": "uploads/", "StartAfter": "uploads/0", "MaxKeys": 5}
    service.add_response("list_objects_v2", {"Contents": listed, "IsTruncated": True}, asked)
    assert browse(made) == Listing((), "uploads/1/")


def held(sequencer: str | None, etag: str = '"e1"') -> dict[str, Any]:
    return {"ETag": etag, "LastModified": NOW, "Metadata": {} if sequencer is None else {"sequencer": sequencer}}


def expected_put(**condition: str) -> dict[str, Any]:
    rest = {"Body": ANY, "ContentType": "application/json", "Metadata": {"sequencer": "B2"}}
    return {**PUBLISHED, **rest, **condition}


def test_the_first_outcome_is_written_only_if_there_is_still_none(made: S3Bucket, service: Stubber) -> None:
    service.add_client_error("head_object", "404", "Not Found", 404, expected_params=PUBLISHED)
    service.add_response("put_object", {}, expected_put(IfNoneMatch="*"))
    publish(made)


@pytest.mark.parametrize("older", ["B1", "A", None])
def test_a_newer_outcome_is_written_only_over_the_one_that_was_looked_at(
    made: S3Bucket, service: Stubber, older: str | None
) -> None:
    service.add_response("head_object", held(older), PUBLISHED)
    service.add_response("put_object", {}, expected_put(IfMatch='"e1"'))
    publish(made)


@pytest.mark.parametrize("newer", ["B2", "B21", "C"])
def test_an_outcome_as_new_or_newer_is_left_alone(made: S3Bucket, service: Stubber, newer: str) -> None:
    service.add_response("head_object", held(newer), PUBLISHED)
    publish(made)


@pytest.mark.parametrize(
    ("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
def test_whoever_loses_a_race_looks_again(made: S3Bucket, service: Stubber, code: str, status: int) -> None:
    service.add_response("head_object", held("A"), PUBLISHED)
    service.add_client_error("put_object", code, "others were there first", status)
    service.add_response("head_object", held("B1", '"e2"'), PUBLISHED)
    service.add_response("put_object", {}, expected_put(IfMatch='"e2"'))
    publish(made)


def test_a_write_whose_answer_was_lost_is_seen_to_be_done(made: S3Bucket, service: Stubber) -> None:
    # Botocore tries again by itself; the second attempt finds the first one's work in its way.
    service.add_client_error("head_object", "404", "Not Found", 404)
    service.add_client_error("put_object", "PreconditionFailed", "it is there", 412)
    service.add_response("head_object", held("B2"), PUBLISHED)
    publish(made)


def test_races_without_end_are_unavailable(made: S3Bucket, service: Stubber) -> None:
    for _ in range(bucket_s3._RACES):
        service.add_response("head_object", held("A"), PUBLISHED)
        service.add_client_error("put_object", "PreconditionFailed", "others were there first", 412)
    with pytest.raises(BucketUnavailableError, match="others keep writing"):
        publish(made)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("SlowDown", 503, BucketUnavailableError), ("AccessDenied", 403, BucketRefusedError)],
)
def test_trouble_while_writing_is_classed_like_trouble_while_reading(
    made: S3Bucket, service: Stubber, code: str, status: int, expected: type[BucketError]
) -> None:
    service.add_client_error("head_object", "404", "Not Found", 404)
    service.add_client_error("put_object", code, "no", status)
    with pytest.raises(expected):
        publish(made)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_leave_is_for_one_key_one_type_and_a_size_at_the_regions_own_host(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the token of a function's role")
    bucket = S3Bucket(S3Place("pictures", region=region))
    post = bucket.presign(KEY, media_type="image/png", max_bytes=1000, seconds=600)
    bucket.close()

    assert post.url == f"https://pictures.s3.{region}.amazonaws.com/"
    policy = json.loads(base64.b64decode(post.fields["policy"]))
    for condition in (
        {"bucket": "pictures"},
        {"key": KEY},
        {"Content-Type": "image/png"},
        ["content-length-range", 1, 1000],
    ):
        assert condition in policy["conditions"]
    assert post.fields["key"] == KEY
    assert post.fields["Content-Type"] == "image/png"
    assert post.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert post.fields["x-amz-security-token"] == "the token of a function's role"
    left = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert 590 < left.total_seconds() <= 600


def ask(bucket: Bucket) -> object:
    return bucket.presign(KEY, media_type="image/png", max_bytes=1000, seconds=600)


@pytest.mark.parametrize("use", [read, publish, look, browse, ask])
def test_without_credentials_the_bucket_is_refused(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[Bucket], object]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket = open_bucket("s3://pictures?region=eu-west-1")
    with pytest.raises(BucketRefusedError, match=r"[Cc]redentials"):
        use(bucket)
    bucket.close()


def test_without_a_region_the_url_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(BucketUrlError, match=r"region=eu-west-1"):
        open_bucket("s3://pictures")


@contextmanager
def server_of(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[Bucket, list[str]]]:
    """A bucket at a real HTTP server; and the requests so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    bucket = open_bucket(f"s3://pictures?endpoint=http://127.0.0.1:{server.server_port}")
    try:
        yield bucket, asked
    finally:
        bucket.close()
        server.shutdown()
        thread.join()
        server.server_close()


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"a" * 50)
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(("answer", "attempts"), [(break_off, 1), (hang_up, bucket_s3.ATTEMPTS)])
def test_a_connection_that_is_cut_is_unavailable(
    answer: Callable[[BaseHTTPRequestHandler], None], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with server_of(answer) as (bucket, asked):
        with pytest.raises(BucketUnavailableError):
            read(bucket)
        assert len(asked) == attempts


def test_a_service_that_says_nothing_is_unavailable_within_the_time_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_s3, "READ_SECONDS", 0.2)
    monkeypatch.setattr(bucket_s3, "ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bucket = open_bucket(f"s3://pictures?endpoint=http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(BucketUnavailableError, match=r"[Rr]ead timeout"):
            read(bucket)
        assert time.monotonic() - began < 2
        bucket.close()
