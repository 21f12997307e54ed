"""The events of the bucket replayed through the real handlers, over a bucket that has the pictures they speak of."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.http.test_events import replay
from tests.support.events import EVENTS

STATUSES = {
    "upload-plain": ["captioned"],
    "upload-duplicate": ["captioned"],
    "upload-form": ["captioned"],
    "upload-url-encoded": ["captioned"],
    "upload-versioned": ["captioned"],
    "upload-deleted": ["gone"],
    "upload-damaged": ["failed"],
    "upload-replaced": ["replaced"],
    "upload-several": ["captioned", "captioned", "captioned"],
    "upload-removed": [],
    "upload-outside": [],
    "upload-test": [],
    "upload-by-sns": ["captioned"],
    "upload-by-eventbridge": ["captioned"],
    "upload-by-eventbridge-and-sns": ["captioned"],
    "upload-by-eventbridge-removed": [],
    "upload-test-by-sns": [],
    "upload-empty": [],
}
AGAIN = {
    "upload-by-sqs": [],
    "upload-by-sns-and-sqs": [],
    "upload-by-eventbridge-and-sqs": [],
    "upload-by-sqs-in-part": ["059f36b4-87a3-44ab-83d2-661975050002"],
    "upload-by-sqs-of-dead-letters": [],
    "upload-test-by-sqs": [],
    "upload-test-by-sns-and-sqs": [],
}
"""The messages that the queue is to deliver again."""

ANSWERS = {
    "status-captions": 200,
    "status-captions-of-a-status": 200,
    "status-of-upload": 200,
    "status-of-upload-encoded": 200,
    "status-of-upload-pending": 202,
    "status-of-upload-damaged": 422,
    "status-of-upload-deleted": 404,
    "status-of-upload-unknown": 404,
}
# A BMP of one yellow pixel, whose ETag the events have.
PICTURE = struct.pack("<2sIII IiiHH6I 4B", b"BM", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0, 0, 220, 255, 0)
WAYS = {
    "sns.jpg",
    "sqs.jpg",
    "sns-sqs.jpg",
    "event+bridge 100%.jpg",
    "bridge-sqs.jpg",
    "bridge-sns.jpg",
    *(f"part-{number}.jpg" for number in (1, 2, 3)),
    *(f"letter-{number}.jpg" for number in (1, 2, 3)),
}
"""Pictures of which the bucket tells by SNS, SQS or EventBridge."""

CAPTIONED = {
    *(f"ways/{name}" for name in WAYS),
    "5f0c3a1b9e6d4c2f8a7b6c5d4e3f2a1b/dog.jpg",
    "dog.jpg",
    "several/one.jpg",
    "several/two.jpg",
    "two dogs + a été 🐶/100%.jpg",
    "versioned.jpg",
}


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / "uploads" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def replay_all(recipient: str, folder: Path, names: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answers = replay(recipient, folder, *(EVENTS / f"{name}.json" for name in names))
    return {path.stem: answer for path, answer in answers.items()}


def statuses_and_failures(done: Mapping[str, Any]) -> dict[str, list[str]]:
    """By event, what became of its pictures; of those of a queue, the messages to deliver again."""
    return {
        name: [one["status"] for one in answer["uploads"]]
        if "uploads" in answer
        else [one["itemIdentifier"] for one in answer["batchItemFailures"]]
        for name, answer in done.items()
    }


def test_each_event_of_the_bucket_has_its_outcome_and_callers_are_told(tmp_path: Path) -> None:
    for name in (*CAPTIONED, "pending.jpg", "replaced.jpg"):
        put(tmp_path, name, PICTURE)
    put(tmp_path, "damaged.jpg", b"hello")

    done = replay_all("upload", tmp_path, STATUSES | AGAIN)
    assert statuses_and_failures(done) == STATUSES | AGAIN

    published = tmp_path / "captions/uploads"
    outcomes = {path.relative_to(published).as_posix(): path for path in published.rglob("*.json")}
    assert set(outcomes) == {f"{name}.json" for name in (*CAPTIONED, "damaged.jpg", "deleted.jpg")}
    dog = json.loads(outcomes["dog.jpg.json"].read_text())
    assert dog["sequencer"] == "0065A1B2C3D4E5F6", "an older event changes nothing"

    told = replay_all("status", tmp_path, ANSWERS)
    assert {name: answer["statusCode"] for name, answer in told.items()} == ANSWERS
    assert json.loads(told["status-of-upload"]["body"])["caption"] == dog["caption"]
    assert json.loads(told["status-of-upload-encoded"]["body"])["key"] == "uploads/two dogs + a été 🐶/100%.jpg"
    lying = {one["key"]: one["status"] for one in json.loads(told["status-captions"]["body"])["uploads"]}
    assert lying == {
        **dict.fromkeys((f"uploads/{name}" for name in CAPTIONED), "captioned"),
        **dict.fromkeys(("uploads/pending.jpg", "uploads/replaced.jpg"), "pending"),
        "uploads/damaged.jpg": "failed",
    }
    (damaged,) = json.loads(told["status-captions-of-a-status"]["body"])["uploads"]
    assert (damaged["key"], damaged["size"], damaged["caption"]) == ("uploads/damaged.jpg", 5, None)
    assert damaged["reason"].startswith("the bytes are not a picture")
    for name, answer in told.items():
        assert ("retry-after" in answer["headers"]) == (ANSWERS[name] == 202)
