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
from functions.caption.upload_events import UnfinishedError
from tests.support.stack import ROOT
from web.entry import Handler
from web.events import EventError
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
        model_version, decoding, is_sure = captioner.model_version, captioner.decoding, captioner.is_sure

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


@pytest.mark.parametrize("event", [{"Records": None}, {"Records": 5}, {"detail-type": "Object Created"}, "text", 5])
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


EVENTBRIDGE: dict[str, Any] = {"bucket": {"name": "example-uploads"}}


def of_a_queue(*bodies: Any) -> dict[str, Any]:
    """An event of SQS with these messages, called 1, 2 and so on."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "eventSource": "aws:sqs",
                "body": one if isinstance(one, str) else json.dumps(one),
            }
            for number, one in enumerate(bodies, 1)
        ]
    }


def by_sns(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "Message": json.dumps(message)}


def test_a_queue_delivers_again_what_is_unfinished_and_nothing_else(
    root: Path, store: CaptionStore, monkeypatch: pytest.MonkeyPatch, handler: Handler
) -> None:
    for name in ("one", "two", "three", "four"):
        (root / f"uploads/{name}").write_bytes(picture())
    mend = broken(store, monkeypatch, {"uploads/two", "uploads/three"})
    one, two, three, four = ({"Records": [record(f"uploads/{name}")]} for name in ("one", "two", "three", "four"))
    # A message is done or delivered again as a whole, whatever came of its other records.
    pair = {"Records": [*by_sns_records(four), *three["Records"]]}
    event = of_a_queue(one, by_sns(two), "{", pair)

    assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": name} for name in ("2", "3", "4")]}
    assert [bool(store.outcome(f"uploads/{name}")) for name in ("one", "two", "three", "four")] == [
        True,
        False,
        False,
        True,
    ]
    mend()
    assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "3"}]}
    assert store.outcome("uploads/three")


def test_pipes_hand_a_queues_records_on_alone(root: Path, handler: Handler) -> None:
    (root / "uploads/one").write_bytes(picture())
    event: Any = of_a_queue({"Records": [record("uploads/one")]}, "{")["Records"]
    assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_other_storage_may_name_its_source_and_its_events_in_its_own_way(root: Path, call: Call) -> None:
    (root / "uploads/one").write_bytes(picture())
    found = record("uploads/one", eventSource="minio:s3", eventName="s3:ObjectCreated:Put")
    assert call(found) == [{"key": "uploads/one", "status": "captioned"}]


def by_sns_records(message: Any) -> list[dict[str, Any]]:
    return [{"EventSource": "aws:sns", "Sns": by_sns(message)}]


@pytest.mark.parametrize("bodies", [["{"], ["{", "[]", "null"]])
def test_where_all_messages_are_unfinished_the_function_fails_whatever_the_queues_mapping_reports(
    bodies: list[str], handler: Handler
) -> None:
    with pytest.raises(UnfinishedError, match=f"{len(bodies)} of {len(bodies)} records: not an event of S3"):
        handler(of_a_queue(*bodies), Context())


def test_a_message_without_an_id_has_the_whole_batch_delivered_again(root: Path, handler: Handler) -> None:
    event = of_a_queue("{", {"Records": []})
    del event["Records"][0]["messageId"]
    # Lambda takes an empty id for "all of them".
    assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": ""}]}


def enveloped(event: Any, count: int) -> Any:
    for _ in range(count):
        event = by_sns(event)
    return event


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("text", "the message of SQS is not JSON"),
        (None, "the message of SQS is not JSON"),
        ("[" * 100_000, "the message of SQS is not JSON"),
        ({"Type": "Notification", "Message": "text"}, "the message of SNS is not JSON"),
        ({"Type": "SubscriptionConfirmation", "Message": "{}"}, "an object with Type, Message"),
        ({"source": "aws.s3", "detail-type": "Object Created"}, "it has no detail"),
        ({"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": 5}}, "an object of S3"),
        (
            {"source": "aws.ec2", "detail-type": "Instance Launched"},
            "an event of EventBridge, Instance Launched of aws.ec2",
        ),
        ({"Records": [{"eventSource": "aws:dynamodb"}]}, "it is one of aws:dynamodb"),
        (enveloped({"Records": []}, 7), "over 5 envelopes"),
        ([], "a JSON value of type list"),
        (
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {**EVENTBRIDGE, "object": {"key": 5, "sequencer": "1"}},
            },
            "its bucket and its key must be texts",
        ),
        (
            {
                "Records": [
                    record("uploads/a", s3={"bucket": {"name": 5}, "object": {"key": "uploads/a", "sequencer": "1"}})
                ]
            },
            "its bucket and its key must be texts",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_in_an_envelope_and_not_s3s_is_named(body: Any, said: str, handler: Handler) -> None:
    event = of_a_queue({"Records": []}, "" if body is None else body)
    if body is None:
        event["Records"][1]["body"] = None
    assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    with pytest.raises(UnfinishedError, match=said):
        handler({"Records": event["Records"][1:]}, Context())


def test_the_key_of_eventbridges_event_is_plain_and_its_version_is_read(
    store: CaptionStore, monkeypatch: pytest.MonkeyPatch, handler: Handler
) -> None:
    seen: list[Upload] = []

    def take(_captioner: object, _store: object, _bucket: object, upload: Upload, **_options: object) -> Outcome:
        seen.append(upload)
        return Outcome(upload.key, upload.sequencer)

    monkeypatch.setattr(upload_events, "caption_upload", take)
    event = json.loads((ROOT / "events/upload-by-eventbridge.json").read_text())
    event["detail"]["object"]["version-id"] = "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    handler(event, Context())
    assert seen == [
        Upload(
            "uploads/ways/event+bridge 100%.jpg",
            "0065A1B2C3D4E5F704",
            "096fKKXTRTtl3on89fVO.nfljtsv6qko",
            "4c04217fe83d93319f2c235006d8a29c",
        )
    ]


def test_a_ping_captions_nothing_and_says_nothing(handler: Handler, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert handler({}, Context()) == {"warm": True}
    assert capsys.readouterr().out == ""
