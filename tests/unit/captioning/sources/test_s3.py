"""What the source in S3 does when S3, the network or the disk is in trouble, and what it leaves on the disk.

Codes come from botocore's Stubber; time-outs, refusals and broken bodies from real sockets of the loopback.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from captioning.captioner import Captioner
from captioning.errors import BundleError, BundleUnavailableError
from captioning.model.bundle import ENCODER, MANIFEST
from captioning.sources import s3 as source_s3
from captioning.sources.publication import CURRENT, MAX_PREVIOUS, Publication, Release, parse_publication
from captioning.sources.s3 import S3Source
from storage.errors import PermanentError, TransientError
from storage.urls import S3Place
from tests.support.published import make_bucket, replace_file, s3_client, tiny_bundle
from tools.captioner.publishing import publish_bundle

PASSING = [("SlowDown", 503), ("InternalError", 500), ("ServiceUnavailable", 503), ("RequestTimeout", 400), ("X", 502)]
LASTING = [
    ("NoSuchKey", 404, "is not there"),
    ("NoSuchBucket", 404, "no such bucket"),
    ("AccessDenied", 403, "access is denied"),
    ("InvalidAccessKeyId", 403, "credentials are not known"),
    ("SignatureDoesNotMatch", 403, "credentials are wrong"),
    ("ExpiredToken", 400, "credentials have expired"),
    ("PermanentRedirect", 301, "another region"),
    ("InvalidObjectState", 403, "refused"),
]


@pytest.fixture
def source(tmp_path: Path) -> S3Source:
    return S3Source(S3Place("bucket", "captions", "eu-west-1"), cache=tmp_path / "cache")


@pytest.mark.parametrize(("code", "status"), PASSING)
def test_what_waiting_cures_is_asked_twice_and_then_unavailable(source: S3Source, code: str, status: int) -> None:
    with Stubber(source._client) as service:
        for _ in range(2):
            service.add_client_error("get_object", code, "not now", status)
        with pytest.raises(BundleUnavailableError, match=rf"s3://bucket/captions/current\.json: .*{code}") as caught:
            source.current()
        service.assert_no_pending_responses()
    assert isinstance(caught.value, TransientError)
    assert caught.value.retry_after >= 1


@pytest.mark.parametrize(("code", "status", "said"), LASTING)
def test_what_a_person_must_mend_is_said_after_one_attempt(source: S3Source, code: str, status: int, said: str) -> None:
    with Stubber(source._client) as service:
        service.add_client_error("get_object", code, "no", status)
        with pytest.raises(BundleError, match=rf"s3://bucket/captions/current\.json: .*{said}.*{code}") as caught:
            source.current()
    assert isinstance(caught.value, PermanentError)


def test_without_credentials_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(BundleError, match="Unable to locate credentials"):
        S3Source(S3Place("bucket", "captions", "eu-west-1", "http://127.0.0.1:9")).current()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b" " * 70_000),
        b'{"format_version": 2, "current": {}, "previous": []}',
        b'{"format_version": 1, "current": {}, "previous": []}',
        b'{"format_version": 1, "previous": []}',
        json.dumps({"format_version": 1, "current": {"model_version": "../x", "manifest_sha256": "0" * 64}}).encode(),
        Publication(Release("../x", "0" * 64)).to_json().encode(),
        Publication(Release("x", "0" * 63)).to_json().encode(),
        Publication(Release("x", "0" * 64), (Release("a/b", "0" * 64),)).to_json().encode(),
    ],
)
def test_a_current_json_that_is_none_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"^there/current\.json: "):
        parse_publication(content, file="there/current.json")


def test_a_publication_comes_back_as_it_was_written_and_keeps_to_its_length() -> None:
    publication = Publication(Release("v0", "0" * 64))
    for number in range(1, MAX_PREVIOUS + 10):
        publication = publication.moved_to(Release(f"v{number}", "0" * 64))
        assert parse_publication(publication.to_json().encode(), file=CURRENT) == publication
    assert len(publication.previous) == MAX_PREVIOUS
    assert publication.previous[0].model_version == f"v{MAX_PREVIOUS + 8}"


class Published:
    """The small bundle in an emulator, with a source over it and a way to put something in front of the emulator."""

    def __init__(self, tmp_path: Path, endpoint: str) -> None:
        self.folder = tiny_bundle(tmp_path / "bundle", "tiny-1")
        self.bucket, self.endpoint, self.cache = make_bucket(endpoint), endpoint, tmp_path / "cache"
        self.client = s3_client(endpoint)
        self.publish(self.folder)

    def publish(self, folder: Path) -> None:
        publish_bundle(folder, f"s3://{self.bucket}/captions?region=us-east-1&endpoint={self.endpoint}")

    def source(self, endpoint: str | None = None) -> S3Source:
        return S3Source(S3Place(self.bucket, "captions", "us-east-1", endpoint or self.endpoint), cache=self.cache)

    def kept(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir())


@pytest.fixture
def published(tmp_path: Path, ministack_endpoint: str) -> Published:
    return Published(tmp_path, ministack_endpoint)


def test_a_fetched_bundle_has_its_versions_name_and_nothing_else_is_left(published: Published) -> None:
    source = published.source()
    release = source.current()
    bundle = source.fetch(release)
    assert published.kept() == [f"tiny-1-{release.manifest_sha256[:12]}"]
    assert bundle.encoder.parent == published.cache / published.kept()[0]
    assert published.cache.stat().st_mode & 0o777 == 0o700


def test_what_was_fetched_is_not_fetched_again_and_what_was_altered_is(published: Published) -> None:
    source = published.source()
    release = source.current()
    encoder = source.fetch(release).encoder
    inode = encoder.stat().st_ino
    assert published.source().fetch(release).encoder.stat().st_ino == inode
    encoder.write_bytes(bytes(encoder.stat().st_size))
    mended = published.source().fetch(release).encoder
    assert mended.read_bytes() == (published.folder / ENCODER).read_bytes()


def test_what_killed_processes_left_is_swept_up_and_what_a_live_one_fetches_is_not(published: Published) -> None:
    source = published.source()
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for owner in (done.pid, os.getpid(), os.getppid()):
        (published.cache / f".{owner}-tiny-1").mkdir(parents=True)
        (published.cache / f".{owner}-tiny-1" / ENCODER).write_bytes(b"a part")
    source.fetch(source.current())
    assert [name for name in published.kept() if name.startswith(".")] == [f".{os.getppid()}-tiny-1"]


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(512_000_000, 511_000_000, 1_000_000))
    source = published.source()
    with pytest.raises(BundleError, match=r"cache: has room for 1,000,000 bytes, and the bundle needs 1,\d{3},\d{3}"):
        source.fetch(source.current())
    assert published.kept() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_said_and_leaves_nothing(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = Path.mkdir

    def make(path: Path, *arguments: Any, **options: Any) -> None:
        fill(path, *arguments, **options)
        if path.name.startswith("."):
            (path / ENCODER).symlink_to("/dev/full")

    monkeypatch.setattr(Path, "mkdir", make)
    source = published.source()
    with pytest.raises(BundleError, match="cannot be written: No space left on device"):
        source.fetch(source.current())
    assert published.kept() == []


def test_a_folder_of_somebody_else_is_not_used(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    published.cache.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    with pytest.raises(BundleError, match="belongs to somebody else"):
        published.source().fetch(published.source().current())


def test_a_model_that_the_runtime_refuses_is_named(published: Published, tmp_path: Path) -> None:
    unfit = tiny_bundle(tmp_path / "unfit", "tiny-2")
    replace_file(unfit, ENCODER, b"no model at all")
    manifest = (unfit / MANIFEST).read_bytes()
    for path in unfit.iterdir():
        published.client.put_object(Bucket=published.bucket, Key=f"captions/tiny-2/{path.name}", Body=path.read_bytes())
    release = Release("tiny-2", sha256(manifest).hexdigest())
    with pytest.raises(BundleError, match=r"tiny-2-[0-9a-f]{12}/encoder\.tflite: the runtime refuses the model"):
        Captioner(published.source().fetch(release))


def test_many_processes_may_fetch_at_once(published: Published) -> None:
    program = (
        "import sys; from pathlib import Path; from storage.urls import S3Place;"
        "from captioning.sources.s3 import S3Source;"
        "s = S3Source(S3Place(sys.argv[1], 'captions', 'us-east-1', sys.argv[2]), cache=Path(sys.argv[3]));"
        "print(s.fetch(s.current()).encoder.is_file())"
    )
    command = [sys.executable, "-c", program, published.bucket, published.endpoint, str(published.cache)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(4)]
    assert [process.communicate()[0] for process in running] == ["True\n"] * 4
    assert len(published.kept()) == 1


class Proxy(BaseHTTPRequestHandler):
    """Stands before the emulator and spoils what it answers for the encoder: cuts it off, stalls, or is slow."""

    protocol_version = "HTTP/1.1"
    client: object
    bucket = ""
    mishap = ""
    times = 1

    def do_GET(self) -> None:
        key = self.path.partition("?")[0].removeprefix(f"/{self.bucket}/")
        body = type(self).client.get_object(Bucket=self.bucket, Key=key)["Body"].read()  # type: ignore[attr-defined]
        spoil = key.endswith(ENCODER) and type(self).times > 0
        if spoil:
            type(self).times -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not spoil:
            self.wfile.write(body)
        elif self.mishap == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            # Nothing comes any more, until the client has gone.
            self.connection.recv(1)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def spoiled(published: Published, mishap: str, times: int) -> Iterator[str]:
    handler = type("Spoiled", (Proxy,), {})
    handler.client, handler.bucket, handler.mishap, handler.times = (  # type: ignore[attr-defined]
        published.client,
        published.bucket,
        mishap,
        times,
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("mishap", ["cut", "stall"])
def test_a_download_that_breaks_off_is_begun_again(
    published: Published, mishap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_s3, "READ_SECONDS", 0.3)
    with spoiled(published, mishap, times=1) as endpoint:
        source = published.source(endpoint)
        bundle = source.fetch(source.current())
    assert bundle.encoder.read_bytes() == (published.folder / ENCODER).read_bytes()


@pytest.mark.parametrize("mishap", ["cut", "stall"])
def test_a_download_that_breaks_off_again_is_unavailable_and_leaves_nothing(
    published: Published, mishap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_s3, "READ_SECONDS", 0.3)
    with spoiled(published, mishap, times=9) as endpoint:
        source = published.source(endpoint)
        with pytest.raises(BundleUnavailableError, match=r"tiny-1/encoder\.tflite"):
            source.fetch(source.current())
    assert published.kept() == []


def test_a_download_that_takes_too_long_is_given_up(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_s3, "DOWNLOAD_SECONDS", -1.0)
    source = published.source()
    with pytest.raises(BundleUnavailableError, match="did not come in"):
        source.fetch(source.current())


def test_a_place_where_nobody_listens_is_unavailable(published: Published) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BundleUnavailableError, match="Could not connect"):
        published.source(f"http://127.0.0.1:{port}").current()
