"""Uploads from the presigned POST to the outcome, with real models, a real store and a real folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from captioning.buckets import open_bucket
from captioning.buckets.port import MAX_KEY_BYTES, Bucket
from captioning.caption import Caption
from captioning.captioner import Captioner
from captioning.errors import (
    BucketUnavailableError,
    CaptionStoreUnavailableError,
    PictureError,
    UploadReplacedError,
)
from captioning.lookup import Pending, find_outcome
from captioning.model.bundle import open_bundle
from captioning.model.confidence import Calibration, Evidence, Factor
from captioning.model.decoding import Decoding
from captioning.outcomes import Outcome, Status, Upload
from captioning.pictures.limits import MAX_BYTES
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from captioning.uploads import PRESIGNED_SECONDS, MediaType, caption_upload, presign_upload
from tests.support.buckets import upload
from tests.support.pictures import speckled

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "uploads/two dogs + a été 🐶/100%.jpg"


class CountingCaptioner(Captioner):
    """Counts the pictures that it was shown."""

    shown = 0

    def caption(self, picture: bytes, decoding: Decoding | None = None) -> Caption:
        self.shown += 1
        return super().caption(picture, decoding)


@dataclass
class Place:
    """Where uploads live, and how a person gets at them."""

    root: Path
    captioner: CountingCaptioner
    store: CaptionStore
    bucket: Bucket

    def put(self, content: bytes, key: str = KEY) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def caption(self, announced: Upload) -> Outcome:
        return caption_upload(self.captioner, self.store, self.bucket, announced)

    def says(self, content: bytes) -> Caption:
        """What the models say of a picture, without what else they might say."""
        return replace(self.captioner.caption(content), alternatives=())

    def find(self, key: str = KEY) -> Outcome | Pending | None:
        return find_outcome(self.store, self.bucket, key)

    def published(self, key: str = KEY) -> Any:
        return json.loads((self.root / f"captions/{key}.json").read_bytes())


@pytest.fixture(scope="module")
def models() -> CountingCaptioner:
    return CountingCaptioner(open_bundle("file://tests/bundles/tiny"))


@pytest.fixture
def place(tmp_path: Path, models: CountingCaptioner) -> Iterator[Place]:
    models.shown = 0
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    yield Place(tmp_path, models, store, open_bucket(f"file://{tmp_path}"))
    store.close()


def test_a_picture_is_captioned_found_and_published(place: Place) -> None:
    place.put(speckled(1))
    outcome = place.caption(upload(KEY, "A", speckled(1)))
    assert outcome.caption == place.says(speckled(1))
    assert place.find() == outcome
    assert place.published() == outcome.to_plain()


@pytest.mark.parametrize(("sure_from", "sure"), [(0.0, True), (1.0, False)])
def test_whether_the_captioner_was_sure_is_found_and_published(
    tmp_path: Path, place: Place, sure_from: float, sure: bool
) -> None:
    bundle = open_bundle("file://tests/bundles/tiny")
    calibration = Calibration(0.2, {Evidence.MEAN: Factor(1.0, -1.0)}, sure_from)
    calibrated = CountingCaptioner(replace(bundle, manifest=replace(bundle.manifest, calibration=calibration)))
    place.put(speckled(1))
    outcome = replace(place, captioner=calibrated).caption(upload(KEY, "A", speckled(1)))
    assert outcome.sure is sure
    assert place.find() == outcome
    assert place.published()["sure"] is sure


def test_an_event_that_comes_again_changes_nothing_and_costs_no_caption(place: Place) -> None:
    place.put(speckled(1))
    first = place.caption(upload(KEY, "A", speckled(1)))
    published = place.root / f"captions/{KEY}.json"
    written = published.stat()
    assert [place.caption(upload(KEY, "A", speckled(1))) for _ in range(3)] == [first] * 3
    assert place.captioner.shown == 1
    # A file that is written again is another one, and later; only that it was read may show.
    assert (published.stat().st_ino, published.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    # Nor is the picture read again: by now it may be another.
    place.put(speckled(2))
    assert place.caption(upload(KEY, "A", speckled(1))) == first


@pytest.mark.parametrize("order", list(permutations("123")))
def test_the_newest_version_wins_in_whatever_order_the_events_come(place: Place, order: tuple[str, ...]) -> None:
    # As a bucket with versions has it: each can still be read.
    versions = {number: speckled(int(number)) for number in "123"}
    for number in order:
        place.put(versions[number])
        place.caption(upload(KEY, f"0{number}F", versions[number]))
    newest = Outcome(KEY, "03F", caption=place.says(versions["3"]))
    assert place.find() == newest
    assert place.published() == newest.to_plain()


def test_of_a_version_that_was_replaced_before_it_was_read_nothing_is_said(place: Place) -> None:
    place.put(speckled(2))
    with pytest.raises(UploadReplacedError):
        place.caption(upload(KEY, "A", speckled(1)))
    assert isinstance(place.find(), Pending)
    assert place.caption(upload(KEY, "B", speckled(2))).caption


def test_the_same_picture_under_two_keys_is_captioned_once(place: Place) -> None:
    for key in (KEY, "uploads/other"):
        place.put(speckled(1), key)
        assert place.caption(upload(key, "A")).status is Status.CAPTIONED
    assert place.captioner.shown == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the picture is empty"),
        (b"hello", "the bytes are not a picture of a format that is read"),
        (speckled(1)[:2000], "the picture is truncated or broken"),
        (b"a" * (MAX_BYTES + 1), f"the picture has {MAX_BYTES + 1} bytes; the limit is {MAX_BYTES}"),
    ],
)
def test_a_picture_that_cannot_be_read_is_an_outcome_with_the_reason(place: Place, content: bytes, reason: str) -> None:
    place.put(content)
    outcome = place.caption(upload(KEY, "A", content))
    assert outcome.status is Status.FAILED
    assert outcome.reason is not None
    assert outcome.reason.startswith(reason)
    assert place.find() == outcome
    assert place.published() == outcome.to_plain()


class DeadlyPictureError(PictureError):
    """As a reader says of a picture that its process did not outlive."""


class BreakingCaptioner(CountingCaptioner):
    """Its reader outlives no picture."""

    def caption(self, _picture: bytes, _decoding: Decoding | None = None) -> Caption:
        raise DeadlyPictureError("the picture takes too much memory")


def test_a_picture_that_broke_its_reader_is_done_and_not_read_again_after_a_restart(place: Place) -> None:
    place.put(speckled(1))
    place.captioner = BreakingCaptioner(open_bundle("file://tests/bundles/tiny"))
    outcome = place.caption(upload(KEY, "A", speckled(1)))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "the picture takes too much memory; use another picture")
    assert place.published() == outcome.to_plain()
    # A start announces everything anew: what has an outcome is not even opened.
    place.store.close()
    store, bucket = open_caption_store(f"sqlite:///{place.root}/captions.db"), open_bucket(f"file://{place.root}")
    bucket.read = lambda *_, **__: pytest.fail("it was read again")  # type: ignore[method-assign]
    assert caption_upload(place.captioner, store, bucket, upload(KEY, "A", speckled(1))) == outcome
    store.close()


def test_a_better_picture_takes_the_place_of_one_that_could_not_be_read(place: Place) -> None:
    place.put(b"hello")
    place.caption(upload(KEY, "A"))
    place.put(speckled(1))
    place.caption(upload(KEY, "B"))
    # The first event, late once more.
    place.caption(upload(KEY, "A"))
    found = place.find()
    assert isinstance(found, Outcome)
    assert found.status is Status.CAPTIONED


def test_a_picture_that_was_deleted_is_gone_until_it_comes_again(place: Place) -> None:
    outcome = place.caption(upload(KEY, "A"))
    assert outcome == Outcome(KEY, "A")
    assert place.find() == outcome
    assert place.published()["status"] == "gone"
    place.put(speckled(1))
    assert isinstance(place.find(), Pending)
    place.caption(upload(KEY, "B"))
    assert place.find() == Outcome(KEY, "B", caption=place.says(speckled(1)))


def test_a_key_that_is_too_long_to_publish_under_fails_and_is_stored_all_the_same(place: Place) -> None:
    longest = f"uploads/{'/'.join(['a' * 99] * 10)}"
    for key, fits in ((longest.ljust(MAX_KEY_BYTES, "b"), True), (longest.ljust(MAX_KEY_BYTES + 1, "b"), False)):
        outcome = place.caption(upload(key, "A"))
        assert (outcome.reason is None) == fits
        assert place.store.outcome(key) == outcome
        assert (place.root / f"captions/{key}.json").exists() == fits


class Unsound:
    """A store or bucket of which one method fails as often as it is told to, before or after its work."""

    def __init__(self, sound: Any, method: str, error: Exception, *, after: bool) -> None:
        self._sound, self._method, self._error, self._after = sound, method, error, after
        self.times = 1

    def __getattr__(self, name: str) -> Any:
        sound = getattr(self._sound, name)
        if name != self._method or self.times == 0:
            return sound

        def fail(*args: Any, **kwargs: Any) -> Any:
            self.times -= 1
            if self._after:
                sound(*args, **kwargs)
            raise self._error

        return fail


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("part", "method"),
    [("store", "outcome"), ("store", "record"), ("bucket", "read"), ("bucket", "publish")],
)
def test_what_was_interrupted_anywhere_is_made_whole_when_the_event_comes_again(
    place: Place, part: str, method: str, after: bool
) -> None:
    error = {"store": CaptionStoreUnavailableError("locked"), "bucket": BucketUnavailableError("slow")}[part]
    place.put(speckled(1))
    sound = getattr(place, part)
    setattr(place, part, Unsound(sound, method, error, after=after))
    with pytest.raises(type(error)):
        place.caption(upload(KEY, "A", speckled(1)))
    outcome = place.caption(upload(KEY, "A", speckled(1)))
    setattr(place, part, sound)
    assert outcome.status is Status.CAPTIONED
    assert place.find() == outcome
    assert place.published() == outcome.to_plain()
    assert place.captioner.shown == 1


def test_a_picture_is_pending_from_when_it_is_there(place: Place) -> None:
    assert place.find() is None
    place.put(speckled(1))
    found = place.find()
    assert isinstance(found, Pending)
    assert abs(datetime.now(UTC) - found.since) < timedelta(seconds=60)


@pytest.mark.parametrize("key", ["", "uploads", "uploads/", "captions/uploads/a.json", "captions.db", "../captions.db"])
def test_what_is_not_an_upload_is_not_known(place: Place, key: str) -> None:
    place.put(b"a", "captions/uploads/a.json")
    assert place.find(key) is None
    assert place.find("uploads/" + "é" * MAX_KEY_BYTES) is None


def test_leave_is_for_a_new_key_each_time_that_ends_in_the_name(place: Place) -> None:
    plain, again = (presign_upload(place.bucket, media_type=MediaType.PNG, now=NOW) for _ in range(2))
    named = presign_upload(place.bucket, media_type=MediaType.PNG, name="two dogs + été 🐶.png", now=NOW)
    assert len({plain.key, again.key, named.key}) == 3
    assert all(len(leave.key.split("/")[1]) == 32 for leave in (plain, again, named))
    assert plain.key.startswith("uploads/")
    assert named.key.endswith("/two dogs + été 🐶.png")
    assert named.post.fields["key"] == named.key
    assert PRESIGNED_SECONDS <= 15 * 60


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "a\\b",
        ".",
        "..",
        ".hidden",
        "a\nb",
        "a\0",
        "\x9f",
        "é" * 101,
        "${filename}",
        "a${filename}b",
        "\ud800",
    ],
)
def test_a_name_that_cannot_be_part_of_a_key_is_refused(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        presign_upload(place.bucket, media_type=MediaType.PNG, name=name, now=NOW)


@pytest.mark.parametrize("name", ["a", "é" * 100, "a.b.c", "9.41.00\u202fAM.png", "woman\u200d🦰.jpg", "$ & % #?.jpg"])
def test_what_people_call_their_pictures_is_a_name(place: Place, name: str) -> None:
    given = presign_upload(place.bucket, media_type=MediaType.PNG, name=name, now=NOW)
    assert given.key.endswith(f"/{name}")


def test_a_later_key_sorts_before_an_earlier_one_and_before_most_names(place: Place) -> None:
    moments = [NOW + timedelta(milliseconds=2**power) for power in range(40)]
    keys = [presign_upload(place.bucket, media_type=MediaType.PNG, now=moment).key for moment in moments]
    assert keys == sorted(keys, reverse=True)
    assert all(key < "uploads/1" for key in keys)
    assert {len(key) for key in keys} == {len("uploads/") + 32}
