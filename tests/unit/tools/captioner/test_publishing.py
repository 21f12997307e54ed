"""Publishing: whole or not at all for every reader, nothing altered, nothing sent twice, and a way back."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from captioning.errors import BundleError, BundleUnavailableError
from captioning.model.bundle import DECODER, ENCODER, MANIFEST, VOCABULARY
from captioning.sources import open_source
from captioning.sources.port import BundleSource
from captioning.sources.publication import CURRENT
from tests.support.published import make_bucket, replace_file, rewrite, s3_client, tiny_bundle
from tests.support.stack import ROOT
from tools.captioner import shelf
from tools.captioner.__main__ import main
from tools.captioner.errors import PublicationError, ToolchainError
from tools.captioner.publishing import publish_bundle, roll_back

DEFAULT = ROOT / "models" / "flickr8k"
"""The default bundle: two of its files are sent in parts."""


class Bucket:
    def __init__(self, endpoint: str) -> None:
        self.name, self.client = make_bucket(endpoint), s3_client(endpoint)
        self.url = f"s3://{self.name}/captions?region=us-east-1&endpoint={endpoint}"

    @property
    def source(self) -> BundleSource:
        return open_source(self.url)

    def current(self) -> str:
        return self.source.current().model_version

    def listed(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {one["Key"].removeprefix("captions/") for one in listed}

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"captions/{key}", Body=content)

    def read(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=f"captions/{key}")["Body"].read()
        return content


@pytest.fixture
def bucket(ministack_endpoint: str) -> Bucket:
    return Bucket(ministack_endpoint)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle", "tiny-1")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent from here on: method, key and query of every request that writes."""
    requests: list[str] = []
    tap(monkeypatch, lambda request: requests.append(request) if request.startswith(("PUT", "POST")) else None)
    return requests


def tap(monkeypatch: pytest.MonkeyPatch, listen: Callable[[str], object]) -> None:
    """Let `listen` hear of every request before it is sent; what it raises, the request does."""
    connect = shelf.connect

    def connected(*given: Any) -> Any:
        client = connect(*given)

        def heard(request: Any, **_: object) -> None:
            listen(f"{request.method} {request.url.partition('/captions/')[2]}")

        client.meta.events.register("before-send.s3", heard)
        return client

    monkeypatch.setattr(shelf, "connect", connected)


def test_a_published_bundle_is_current_and_lies_under_its_version(bucket: Bucket, bundle: Path) -> None:
    assert publish_bundle(bundle, bucket.url) == "tiny-1"
    assert bucket.current() == "tiny-1"
    files = (MANIFEST, ENCODER, DECODER, VOCABULARY)
    assert bucket.listed() == {CURRENT, *(f"tiny-1/{name}" for name in files)}
    for name in files:
        assert bucket.read(f"tiny-1/{name}") == (bundle / name).read_bytes()


@pytest.mark.parametrize("folder", [None, DEFAULT], ids=["small", "in parts"])
def test_publishing_again_changes_nothing_and_sends_nothing(
    bucket: Bucket, bundle: Path, capsys: pytest.CaptureFixture[str], sent: list[str], folder: Path | None
) -> None:
    version = publish_bundle(folder or bundle, bucket.url)
    before = bucket.read(CURRENT)
    sent.clear()
    publish_bundle(folder or bundle, bucket.url)
    assert sent == []
    assert bucket.read(CURRENT) == before
    said = capsys.readouterr().err
    assert f"{version} is current already" in said
    assert "3 of 3 files are there" in said


def test_large_files_are_sent_in_parts_and_arrive_as_they_are(bucket: Bucket, sent: list[str]) -> None:
    version = publish_bundle(DEFAULT, bucket.url)
    source = bucket.source
    fetched = source.fetch(source.current())
    assert fetched.encoder.read_bytes() == (DEFAULT / ENCODER).read_bytes()
    assert fetched.decoder.read_bytes() == (DEFAULT / DECODER).read_bytes()
    source.discard(source.current())
    # The vocabulary is smaller than a part, and goes as it is.
    for name, several in ((ENCODER, True), (DECODER, True), (VOCABULARY, False)):
        parts = {found[1] for one in sent if (found := re.match(rf"PUT {version}/{name}\?.*partNumber=(\d+)", one))}
        assert len(parts) == several * -(-(DEFAULT / name).stat().st_size // shelf.PART_BYTES)
        assert (f"PUT {version}/{name}" in sent) is not several
    assert [one for one in sent if one.startswith(f"PUT {version}/{VOCABULARY}")] == [f"PUT {version}/{VOCABULARY}"]
    assert sent[-2:] == [f"PUT {version}/{MANIFEST}", f"PUT {CURRENT}"]


def test_there_is_a_way_back_to_a_version_sent_in_parts_if_it_is_whole(
    bucket: Bucket, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = publish_bundle(DEFAULT, bucket.url)
    publish_bundle(bundle, bucket.url)
    assert roll_back(bucket.url) == bucket.current() == version
    assert f"checking {ENCODER}" in capsys.readouterr().err

    publish_bundle(bundle, bucket.url)
    content = bytearray((DEFAULT / ENCODER).read_bytes())
    content[-1] ^= 1
    altered = bucket.client.create_multipart_upload(
        Bucket=bucket.name, Key=f"captions/{version}/{ENCODER}", ChecksumAlgorithm="SHA256"
    )
    whole = {"Bucket": bucket.name, "Key": altered["Key"], "UploadId": altered["UploadId"]}
    part = bucket.client.upload_part(**whole, PartNumber=1, Body=bytes(content), ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    bucket.client.complete_multipart_upload(**whole, MultipartUpload={"Parts": parts})
    with pytest.raises(PublicationError, match=rf"{ENCODER} is missing or was altered"):
        roll_back(bucket.url)
    assert bucket.current() == "tiny-1"


def test_old_versions_stay_and_one_can_go_back_and_forth(bucket: Bucket, tmp_path: Path) -> None:
    folders = [tiny_bundle(tmp_path / version, version) for version in ("v1", "v2", "v3")]
    for folder in folders:
        publish_bundle(folder, bucket.url)
    assert len(bucket.listed()) == 1 + 3 * 4
    assert roll_back(bucket.url) == bucket.current() == "v2"
    assert roll_back(bucket.url) == bucket.current() == "v1"
    with pytest.raises(PublicationError, match="nothing was current before v1"):
        roll_back(bucket.url)
    assert publish_bundle(folders[2], bucket.url) == bucket.current() == "v3"
    assert roll_back(bucket.url, "v1") == bucket.current() == "v1"


def test_a_version_that_was_not_current_is_no_way_back(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="nothing was published here yet"):
        roll_back(bucket.url)
    for version in ("v1", "v2"):
        publish_bundle(tiny_bundle(tmp_path / version, version), bucket.url)
    for version in ("v2", "v9"):
        with pytest.raises(PublicationError, match=f"{version} was not current before; these were, .*: v1"):
            roll_back(bucket.url, version)


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, VOCABULARY])
@pytest.mark.parametrize("content", [None, b"altered"], ids=["missing", "altered"])
def test_there_is_no_way_back_to_a_version_that_is_not_whole(
    bucket: Bucket, tmp_path: Path, name: str, content: bytes | None
) -> None:
    for version in ("v1", "v2"):
        publish_bundle(tiny_bundle(tmp_path / version, version), bucket.url)
    if content is None:
        bucket.client.delete_object(Bucket=bucket.name, Key=f"captions/v1/{name}")
    else:
        bucket.put(f"v1/{name}", content)
    with pytest.raises(PublicationError, match=rf"v1/{name} is missing or was altered"):
        roll_back(bucket.url)
    assert bucket.current() == "v2"


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, DECODER, VOCABULARY])
def test_an_incomplete_bundle_is_refused_and_nothing_is_sent(bucket: Bucket, bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name):
        publish_bundle(bundle, bucket.url)
    assert bucket.listed() == set()


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY])
def test_an_altered_bundle_is_refused_and_nothing_is_sent(bucket: Bucket, bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[50] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: has the sha256"):
        publish_bundle(bundle, bucket.url)
    assert bucket.listed() == set()


def test_a_bundle_that_cannot_be_run_is_refused_and_nothing_is_sent(bucket: Bucket, bundle: Path) -> None:
    replace_file(bundle, DECODER, b"no model")
    with pytest.raises(BundleError, match=r"decoder\.tflite: the runtime refuses the model"):
        publish_bundle(bundle, bucket.url)
    assert bucket.listed() == set()


def test_another_bundle_under_a_published_version_is_refused(bucket: Bucket, bundle: Path) -> None:
    publish_bundle(bundle, bucket.url)
    before = bucket.read(f"tiny-1/{MANIFEST}")
    rewrite(bundle, decoding={"beam_width": 1, "length_penalty": 0, "max_words": 5})
    with pytest.raises(PublicationError, match="a model_version of its own"):
        publish_bundle(bundle, bucket.url)
    assert bucket.read(f"tiny-1/{MANIFEST}") == before


@pytest.mark.parametrize("key", [ENCODER, DECODER, VOCABULARY, MANIFEST, CURRENT])
def test_an_upload_that_breaks_off_goes_on_and_no_reader_sees_it(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[str], key: str
) -> None:
    publish_bundle(tiny_bundle(tmp_path / "v1", "v1"), bucket.url)
    second = tiny_bundle(tmp_path / "v2", "v2")

    def cut(request: str) -> None:
        if request.startswith("PUT") and request.endswith(key):
            raise EndpointConnectionError(endpoint_url=bucket.url)

    with monkeypatch.context() as cutting:
        tap(cutting, cut)
        with pytest.raises(BundleUnavailableError, match=key):
            publish_bundle(second, bucket.url)
    assert bucket.current() == "v1"
    there = {one.removeprefix("v2/") for one in bucket.listed() if one.startswith("v2/")}
    assert (MANIFEST in there) == (key == CURRENT)
    sent.clear()
    assert publish_bundle(second, bucket.url) == bucket.current() == "v2"
    assert {one.removeprefix("PUT v2/") for one in sent[:-1]} == {MANIFEST, ENCODER, DECODER, VOCABULARY} - there
    assert sent[-1] == f"PUT {CURRENT}"


def test_a_process_that_is_killed_while_it_sends_leaves_nothing_current_and_the_next_goes_on(
    bucket: Bucket, bundle: Path, sent: list[str]
) -> None:
    publish_bundle(bundle, bucket.url)
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tools.captioner import shelf\n"
        "from tools.captioner.publishing import publish_bundle\n"
        "connect = shelf.connect\n"
        "def connected(place):\n"
        "    client = connect(place)\n"
        "    def kill(request, **_):\n"
        f"        if request.method == 'PUT' and '{ENCODER}' in request.url and 'partNumber=2' in request.url:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "    client.meta.events.register('before-send.s3', kill)\n"
        "    return client\n"
        "shelf.connect = connected\n"
        "publish_bundle(Path(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, "-c", script, str(DEFAULT), bucket.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert bucket.current() == "tiny-1"
    assert not {one for one in bucket.listed() if one.endswith((ENCODER, MANIFEST)) and "tiny-1" not in one}

    there = {one for one in bucket.listed() if "tiny-1" not in one}
    sent.clear()
    version = publish_bundle(DEFAULT, bucket.url)
    assert bucket.current() == version
    assert not {one for one in sent for key in there - {CURRENT} if key in one}


def test_a_damaged_upload_is_sent_again(bucket: Bucket, bundle: Path) -> None:
    publish_bundle(bundle, bucket.url)
    bucket.put(f"tiny-1/{ENCODER}", b"altered")
    publish_bundle(bundle, bucket.url)
    assert bucket.read(f"tiny-1/{ENCODER}") == (bundle / ENCODER).read_bytes()


@pytest.mark.parametrize("name", [ENCODER, VOCABULARY])
def test_a_file_that_changes_while_it_is_published_does_not_become_current(
    bucket: Bucket, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    send = shelf.Shelf.send

    def altered(*given: Any) -> None:
        content = bytearray((bundle / name).read_bytes())
        content[-1] ^= 1
        (bundle / name).write_bytes(content)
        send(*given)

    monkeypatch.setattr(shelf.Shelf, "send", altered)
    with pytest.raises(PublicationError, match=f"{name} has changed while it was published"):
        publish_bundle(bundle, bucket.url)
    assert not {f"tiny-1/{MANIFEST}", CURRENT} & bucket.listed()


def test_what_arrives_otherwise_than_it_was_sent_does_not_become_current(
    bucket: Bucket, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = shelf.Shelf.send

    def damaged(*given: Any) -> None:
        send(*given)
        bucket.put(f"tiny-1/{DECODER}", bytes((bundle / DECODER).stat().st_size))

    monkeypatch.setattr(shelf.Shelf, "send", damaged)
    with pytest.raises(PublicationError, match=f"{DECODER} did not arrive as it was sent: run this again"):
        publish_bundle(bundle, bucket.url)
    assert not {f"tiny-1/{MANIFEST}", CURRENT} & bucket.listed()


def test_of_two_who_publish_at_once_one_is_told_of_the_other(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_bundle(tiny_bundle(tmp_path / "v0", "v0"), bucket.url)
    folders = [tiny_bundle(tmp_path / version, version) for version in ("v1", "v2")]
    both = threading.Barrier(2)
    move = shelf.Shelf.move

    def together(*given: Any) -> None:
        both.wait()
        move(*given)

    monkeypatch.setattr(shelf.Shelf, "move", together)

    def publish(folder: Path) -> str:
        try:
            return publish_bundle(folder, bucket.url)
        except PublicationError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(publish, folders), key=len)
    assert said[0] == bucket.current()
    assert "was changed by somebody else meanwhile" in said[1]
    assert json.loads(bucket.read(CURRENT))["previous"][0]["model_version"] == "v0"


def test_readers_see_the_old_bundle_or_the_new_one_while_many_are_published(bucket: Bucket, tmp_path: Path) -> None:
    folders = [tiny_bundle(tmp_path / f"v{number}", f"v{number}") for number in range(4)]
    publish_bundle(folders[0], bucket.url)
    done = threading.Event()

    def read() -> set[str]:
        source, seen = bucket.source, set()
        while not done.is_set():
            release = source.current()
            seen.add(source.fetch(release).manifest.model_version)
            source.discard(release)
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for folder in folders[1:]:
                publish_bundle(folder, bucket.url)
        finally:
            done.set()
        assert len(reading.result(60)) >= 2


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("NoSuchBucket", 404, BundleError, "there is no such bucket"),
        ("AccessDenied", 403, BundleError, "access is denied"),
        ("ExpiredToken", 400, BundleError, "credentials have expired"),
        ("SlowDown", 503, BundleUnavailableError, "cannot answer now"),
    ],
)
def test_what_s3_refuses_is_said_in_one_line(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[Exception], said: str
) -> None:
    client = boto3.session.Session().client("s3", region_name="eu-west-1")
    monkeypatch.setattr(shelf, "connect", lambda _: client)
    with Stubber(client) as service:
        service.add_client_error("get_object", code, "no", status, expected_params={"Bucket": "models", "Key": ANY})
        with pytest.raises(kind, match=f"s3://models/captions/current.json: .*{said}"):
            publish_bundle(bundle, "s3://models/captions")


def test_the_command_publishes_goes_back_and_shows_progress(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("v1", "v2"):
        assert main(["publish", "--bundle", str(tiny_bundle(tmp_path / version, version)), "--to", bucket.url]) == 0
        said = capsys.readouterr()
        assert said.out == f"{version}\n"
        assert f"uploading {version}" in said.err
    assert main(["publish", "--rollback", "--to", bucket.url]) == 0
    assert capsys.readouterr().out == "v1\n"
    assert bucket.current() == "v1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bundle", "nowhere", "--to", "s3://models/captions"), "nowhere/manifest.json: No such file"),
        (("--bundle", "tests/bundles/tiny", "--to", "models"), "must be s3://bucket/prefix"),
        (("--rollback", "--to", "file://models"), "must be s3://bucket/prefix"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["publish", *arguments]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.splitlines()[-1].startswith("tools.captioner: ")


def test_a_bucket_that_is_not_there_is_said(bundle: Path, ministack_endpoint: str) -> None:
    url = f"s3://nobody-made-this/captions?region=us-east-1&endpoint={ministack_endpoint}"
    with pytest.raises(BundleError, match="there is no such bucket"):
        publish_bundle(bundle, url)


def test_without_boto3_the_way_to_it_is_said(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(
        ToolchainError, match=r"boto3 is not installed: run `make .venv/local.stamp`, .* tools/requirements.txt"
    ):
        publish_bundle(bundle, "s3://models/captions")
