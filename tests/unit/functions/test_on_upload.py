"""The upload function called as Lambda calls it: what S3 may send, and what is done before it raises."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioning.buckets.port import Bucket
from captioning.captioner import Captioner
from captioning.errors import BucketUnavailableError, BundleError
from captioning.model.bundle import open_bundle
from captioning.outcomes import Outcome, Status, Upload
from captioning.stores.port import CaptionStore
from functions.caption import upload_events
from functions.caption.resources import Resources
from functions.caption.upload_events import EventError, UnfinishedError
from tests.support.stack import ROOT
from web.entry import Handler
from web.settings import Settings

Call = Callable[..., list[dict[str, str]]]


class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner(open_bundle("file://tests/bundles/tiny"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that plays the bucket, with nothing in it."""
    (tmp_path / "uploads").mkdir()
    return tmp_path


@pytest.fixture
def resources(root: Path) -> Iterator[Resources]:
    """What the function works with: a store and a bucket of this test's own, and small models."""
    resources = Resources(
        Settings(
            caption_store=f"sqlite:///{root}/captions.db",
            caption_model="file://tests/bundles/tiny",
            upload_bucket=f"file://{root}",
        )
    )
    yield resources
    resources.store.close()


@pytest.fixture
def store(resources: Resources) -> CaptionStore:
    """The store of the function."""
    return resources.store


@pytest.fixture
def handler(resources: Resources) -> Handler:
    """The function."""
    return upload_events.build(resources)


@pytest.fixture
def call(handler: Handler) -> Call:
    """Calls the function with the records of one event; gives what it did with each."""

    def call(*records: Any) -> list[dict[str, str]]:
        done: list[dict[str, str]] = handler({"Records": list(records)}, Context())["uploads"]
        return done

    return call


def record(key: str, sequencer: str = "1", **changes: Any) -> dict[str, Any]:
    """A record as `events/upload-plain.json` has it, of another object."""
    (found,) = json.loads((ROOT / "events/upload-plain.json").read_text())["Records"]
    found["s3"]["object"] = {"key": key, "size": 1, "sequencer": sequencer}
    result: dict[str, Any] = found | changes
    return result


def picture(colour: str = "gold") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("uploads/a.jpg", "uploads/a.jpg"),
        ("uploads/two+dogs.jpg", "uploads/two dogs.jpg"),
        ("uploads/a%2Bb.jpg", "uploads/a+b.jpg"),
        ("uploads/100%25+%2541.jpg", "uploads/100% %41.jpg"),
        ("uploads/%C3%A9t%C3%A9/%F0%9F%90%B6.jpg", "uploads/été/🐶.jpg"),
    ],
)
def test_keys_are_read_as_s3_writes_them(root: Path, store: CaptionStore, written: str, meant: str, call: Call) -> None:
    (root / meant).parent.mkdir(exist_ok=True)
    (root / meant).write_bytes(picture())
    assert call(record(written)) == [{"key": meant, "status": "captioned"}]
    found = store.outcome(meant)
    assert found is not None
    assert found.status is Status.CAPTIONED


def test_the_sequencer_is_kept_in_its_comparable_form(root: Path, store: CaptionStore, call: Call) -> None:
    call(record("uploads/a.jpg", "00ab00"))
    assert store.outcome("uploads/a.jpg") == Outcome("uploads/a.jpg", "00AB")


@pytest.mark.parametrize(
    ("key", "event_name"),
    [
        ("captions/uploads/a.jpg.json", "ObjectCreated:Put"),
        ("a.jpg", "ObjectCreated:Put"),
        ("uploads/a+folder/", "ObjectCreated:Put"),
        ("uploads/", "ObjectCreated:Put"),
        ("uploads/a.jpg", "ObjectRemoved:Delete"),
        ("uploads/a.jpg", "LifecycleExpiration:Delete"),
        ("uploads/a.jpg", "ObjectTagging:Put"),
    ],
)
def test_what_is_not_a_new_picture_is_left_alone_with_a_log_line(
    root: Path, store: CaptionStore, capsys: pytest.CaptureFixture[str], key: str, event_name: str, call: Call
) -> None:
    assert call(record(key, eventName=event_name)) == []
    assert not (root / "captions").exists()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "ignored" in line["message"]
    assert line["event_name"] == event_name


def test_what_the_function_writes_is_never_what_it_takes_in(root: Path, store: CaptionStore, call: Call) -> None:
    (root / "uploads/a.jpg").write_bytes(picture())
    call(record("uploads/a.jpg"))
    written = [path.relative_to(root).as_posix() for path in root.rglob("*.json")]
    assert written == ["captions/uploads/a.jpg.json"]
    assert call(*map(record, written)) == []


def test_the_event_by_which_s3_tests_the_notification_is_logged_and_no_more(
    store: CaptionStore, capsys: pytest.CaptureFixture[str], handler: Handler
) -> None:
    event = json.loads((ROOT / "events/upload-test.json").read_text())
    assert handler(event, Context()) == {"uploads": []}
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["message"], line["bucket"]) == ("S3 has tested the notification", "example-uploads")
    assert line["request_id"] == Context.aws_request_id


def broken(store: CaptionStore, monkeypatch: pytest.MonkeyPatch, keys: set[str]) -> Callable[[], None]:
    """Lets recording the outcomes of these keys fail; gives what mends it."""
    real = store.record

    def record_unless_broken(outcome: Outcome) -> Outcome:
        if outcome.key in keys:
            raise BucketUnavailableError("not now")
        return real(outcome)

    monkeypatch.setattr(store, "record", record_unless_broken)
    return keys.clear


def test_of_several_pictures_the_good_ones_are_done_before_it_raises_and_the_rest_when_called_again(
    root: Path, store: CaptionStore, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    names = ["one", "two", "three", "four"]
    for name in names:
        (root / f"uploads/{name}").write_bytes(picture())
    mend = broken(store, monkeypatch, {"uploads/one", "uploads/three"})
    records = [record(f"uploads/{name}") for name in names]
    with pytest.raises(UnfinishedError, match="2 of 4 records: not now"):
        call(*records)
    assert [bool(store.outcome(f"uploads/{name}")) for name in names] == [False, True, False, True]
    mend()
    assert [done["status"] for done in call(*records)] == ["captioned"] * 4


def test_an_error_that_nobody_expected_keeps_no_other_picture_waiting(
    root: Path,
    store: CaptionStore,
    captioner: Captioner,
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
    resources: Resources,
) -> None:
    class Fragile:
        model_version, decoding = captioner.model_version, captioner.decoding

        def caption(self, picture: bytes, _decoding: object = None) -> object:
            if len(picture) > 10_000:
                raise MemoryError
            return captioner.caption(picture)

    monkeypatch.setattr(resources.service, "captioner", Fragile)
    (root / "uploads/large").write_bytes(picture() + b"\0" * 10_000)
    (root / "uploads/small").write_bytes(picture())
    with pytest.raises(UnfinishedError, match="1 of 2 records"):
        call(record("uploads/large"), record("uploads/small"))
    assert store.outcome("uploads/large") is None
    assert store.outcome("uploads/small")


def test_without_models_every_upload_waits_for_them(
    store: CaptionStore, monkeypatch: pytest.MonkeyPatch, call: Call, resources: Resources
) -> None:
    def missing() -> Captioner:
        raise BundleError("manifest.json", "is missing")

    monkeypatch.setattr(resources.service, "captioner", missing)
    with pytest.raises(UnfinishedError, match=r"manifest\.json: is missing"):
        call(record("uploads/a.jpg"))
    assert store.outcome("uploads/a.jpg") is None


@pytest.mark.parametrize("content", [b"", b"hello", picture()[:50]])
def test_a_picture_that_cannot_be_read_is_no_reason_to_be_called_again(
    root: Path, store: CaptionStore, content: bytes, call: Call
) -> None:
    (root / "uploads/a.jpg").write_bytes(content)
    assert call(record("uploads/a.jpg")) == [{"key": "uploads/a.jpg", "status": "failed"}]


def test_nor_is_one_that_was_deleted_or_replaced(root: Path, store: CaptionStore, call: Call) -> None:
    (root / "uploads/replaced").write_bytes(picture())
    replaced = record("uploads/replaced")
    replaced["s3"]["object"]["eTag"] = "0" * 32
    assert call(record("uploads/deleted"), replaced) == [
        {"key": "uploads/deleted", "status": "gone"},
        {"key": "uploads/replaced", "status": "replaced"},
    ]
    assert store.outcome("uploads/replaced") is None


def without(record: dict[str, Any], *path: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(record))
    place = copy
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return copy


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        None,
        "text",
        without(record("uploads/a"), "eventName"),
        without(record("uploads/a"), "s3", "bucket"),
        without(record("uploads/a"), "s3", "object", "key"),
        without(record("uploads/a"), "s3", "object", "sequencer"),
        record("uploads/%FF"),
        record("uploads/a", "not a number"),
        record(None),  # type: ignore[arg-type]
    ],
)
def test_a_record_that_is_not_s3s_is_an_error_and_the_others_are_done(
    root: Path, store: CaptionStore, malformed: Any, call: Call
) -> None:
    (root / "uploads/good").write_bytes(picture())
    with pytest.raises(UnfinishedError, match="1 of 2 records: not a record of S3"):
        call(malformed, record("uploads/good"))
    assert store.outcome("uploads/good")


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"Records": 5}, {"detail-type": "Object Created"}])
def test_an_event_that_is_not_s3s_is_an_error(event: dict[str, Any], handler: Handler) -> None:
    with pytest.raises(EventError, match="not an event of S3"):
        handler(event, Context())


def test_where_the_setting_leaves_the_bucket_to_the_event_it_is_the_one_that_the_event_names(
    store: CaptionStore, monkeypatch: pytest.MonkeyPatch, call: Call, resources: Resources
) -> None:
    asked: list[str] = []

    class ElsewhereError(Exception):
        """Enough was seen."""

    def bucket(name: str) -> Bucket:
        asked.append(name)
        raise ElsewhereError

    monkeypatch.setattr(resources, "bucket", bucket)
    with pytest.raises(UnfinishedError):
        call(record("uploads/a"))
    assert asked == ["example-uploads"]


def test_an_upload_is_what_its_record_says(
    store: CaptionStore, monkeypatch: pytest.MonkeyPatch, handler: Handler
) -> None:
    seen: list[Upload] = []

    def take(_captioner: object, _store: object, _bucket: object, upload: Upload, **_options: object) -> Outcome:
        seen.append(upload)
        return Outcome(upload.key, upload.sequencer)

    monkeypatch.setattr(upload_events, "caption_upload", take)
    for name in ("plain", "versioned"):
        handler(json.loads((ROOT / f"events/upload-{name}.json").read_text()), Context())
    plain, versioned = seen
    assert (plain.version_id, versioned.version_id) == (None, "096fKKXTRTtl3on89fVO.nfljtsv6qko")
    assert plain.etag == versioned.etag
    assert len(plain.etag or "") == 32
