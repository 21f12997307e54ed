"""What every bucket of uploads promises, whatever keeps it; and what forms it lets in.

What the one in S3 does when the service is in trouble: tests/unit/captioning/buckets/test_s3.py.
"""

import base64
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from captioning.buckets import folder as folder_bucket
from captioning.buckets import open_bucket
from captioning.buckets.port import Listing, PresignedPost
from captioning.caption import Caption
from captioning.errors import (
    BucketRefusedError,
    BucketUnavailableError,
    BucketUrlError,
    PictureTooLargeError,
    UploadGoneError,
    UploadReplacedError,
)
from captioning.outcomes import Outcome
from tests.support.buckets import Fixture, bucket_fixture, upload

KEY = "uploads/two dogs + a été 🐶/100%.jpg"
CAPTION = Caption("two dogs' ball — été", 0.1 + 0.2, "v1")


@pytest.fixture(params=["folder", "ministack"])
def there(request: pytest.FixtureRequest) -> Fixture:
    """An empty bucket."""
    return bucket_fixture(request, request.param)


def leave(there: Fixture, key: str = KEY) -> PresignedPost:
    return there.bucket.presign(key, media_type="image/jpeg", max_bytes=1000, seconds=60)


@pytest.mark.parametrize("key", ["uploads/a.jpg", KEY])
def test_a_picture_is_read_as_it_was_put(there: Fixture, key: str) -> None:
    there.put(key, b"bytes of any kind \x00\xff")
    assert there.bucket.read(upload(key, "1"), max_bytes=100) == b"bytes of any kind \x00\xff"


def test_a_picture_that_is_not_there_is_gone(there: Fixture) -> None:
    with pytest.raises(UploadGoneError):
        there.bucket.read(upload(KEY, "1", b"a"), max_bytes=100)
    there.put(KEY, b"a")
    there.delete(KEY)
    with pytest.raises(UploadGoneError):
        there.bucket.read(upload(KEY, "1", b"a"), max_bytes=100)


def test_a_picture_in_whose_place_there_is_another_is_not_read(there: Fixture) -> None:
    there.put(KEY, b"a")
    assert there.bucket.read(upload(KEY, "1", b"a"), max_bytes=100) == b"a"
    there.put(KEY, b"b")
    with pytest.raises(UploadReplacedError):
        there.bucket.read(upload(KEY, "1", b"a"), max_bytes=100)


def test_a_picture_of_the_largest_size_is_read_and_a_larger_one_refused_with_its_size(there: Fixture) -> None:
    there.put(KEY, b"a" * 100)
    assert len(there.bucket.read(upload(KEY, "1"), max_bytes=100)) == 100
    with pytest.raises(PictureTooLargeError, match="has 100 bytes; the limit is 99"):
        there.bucket.read(upload(KEY, "1"), max_bytes=99)


def test_when_a_picture_was_uploaded_is_known_while_it_is_there(there: Fixture) -> None:
    assert there.bucket.uploaded_at(KEY) is None
    there.put(KEY, b"a")
    since = there.bucket.uploaded_at(KEY)
    assert since is not None
    assert abs(datetime.now(UTC) - since) < timedelta(seconds=60)
    there.delete(KEY)
    assert there.bucket.uploaded_at(KEY) is None


def listed(there: Fixture, *, prefix: str = "uploads/", most: int) -> list[list[str]]:
    """The keys, listing by listing."""
    found, after = [], ""
    while True:
        listing = there.bucket.pictures(after=after, prefix=prefix, most=most)
        found.append([picture.key for picture in listing.pictures])
        if listing.next_after is None:
            return found
        assert listing.next_after > after
        after = listing.next_after


# A folder beside names that begin as its own, of which some sort before its slash and some after it.
LYING = sorted(
    [
        *("uploads/a-b.jpg", "uploads/a.jpg", "uploads/a/1.jpg", "uploads/a/b/c/d.jpg", "uploads/a/z.jpg"),
        *(
            "uploads/a0.jpg",
            "uploads/A.jpg",
            "uploads/été/🐶.jpg",
            "uploads/ﬁ.jpg",
            "uploads/🐶.jpg",
            "uploads/a b+c%.jpg",
        ),
    ],
    key=str.encode,
)


@pytest.mark.parametrize("most", [1, 2, 5, 11, 1000])
def test_what_lies_there_is_listed_by_key_and_each_picture_once(there: Fixture, most: int) -> None:
    for key in reversed(LYING):
        there.put(key, b"a")
    there.put("captions/uploads/a.jpg.json", b"{}")
    pages = listed(there, most=most)
    assert [key for page in pages for key in page] == LYING
    assert all(len(page) <= most for page in pages)
    assert len(pages) <= -(-len(LYING) // most) + 1


def test_a_listed_picture_has_its_size_and_when_it_was_uploaded(there: Fixture) -> None:
    there.put(KEY, b"a" * 77)
    (picture,) = there.bucket.pictures(most=10).pictures
    assert (picture.key, picture.size) == (KEY, 77)
    since = there.bucket.uploaded_at(KEY)
    # S3 says the second alone.
    assert since is not None
    assert abs(picture.uploaded_at - since) < timedelta(seconds=1)
    there.delete(KEY)
    assert there.bucket.pictures(most=10) == Listing((), None)


@pytest.mark.parametrize("prefix", ["uploads/a", "uploads/a/", "uploads/a/b", "uploads/a/b/c/d.jpg", "uploads/zz"])
def test_a_listing_may_be_of_keys_that_begin_alike(there: Fixture, prefix: str) -> None:
    for key in LYING:
        there.put(key, b"a")
    for most in (2, 1000):
        found = [key for page in listed(there, prefix=prefix, most=most) for key in page]
        assert found == [key for key in LYING if key.startswith(prefix)]


def test_a_listing_goes_on_after_what_was_deleted_and_sees_what_came(there: Fixture) -> None:
    for name in "bdf":
        there.put(f"uploads/{name}", b"a")
    first = there.bucket.pictures(most=2)
    assert first.next_after == "uploads/d"
    there.delete("uploads/d")
    there.put("uploads/a", b"a")
    there.put("uploads/e", b"a")
    rest = there.bucket.pictures(after=first.next_after, most=10)
    assert [picture.key for picture in rest.pictures] == ["uploads/e", "uploads/f"]


def test_a_consoles_folder_is_no_picture(ministack_endpoint: str, request: pytest.FixtureRequest) -> None:
    there = bucket_fixture(request, "ministack")
    for key in ("uploads/", "uploads/a/", "uploads/a/b.jpg"):
        there.put(key, b"")
    assert [key for page in listed(there, most=1) for key in page] == ["uploads/a/b.jpg"]


def test_what_is_hidden_or_no_file_or_no_text_or_longer_than_a_key_is_not_listed(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden/a.jpg").touch()
    (folder / ".b.jpg").touch()
    os.mkfifo(folder / "queue")
    (folder / "nowhere").symlink_to(tmp_path / "none")
    Path(os.fsdecode(bytes(folder) + b"/\xff.jpg")).touch()
    deep = folder.joinpath(*["d" * 200] * 5)
    deep.mkdir(parents=True)
    (deep / "short").touch()
    (deep / ("x" * 50)).touch()
    bucket = open_bucket(f"file://{tmp_path}")
    found = bucket.pictures(most=10)
    assert [picture.key for picture in found.pictures] == [f"{(deep / 'short').relative_to(tmp_path)}"]
    assert found.next_after is None


def test_a_listing_opens_a_bounded_number_of_folders_and_the_next_one_goes_on(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = bucket_fixture(request, "folder")
    root = Path(there.url.removeprefix("file://"))
    monkeypatch.setattr(folder_bucket, "MAX_FOLDERS", 10)
    for number in range(50):
        (root / f"uploads/{number:03}/empty").mkdir(parents=True)
    there.put("uploads/030/empty/a.jpg", b"a")
    there.put("uploads/z.jpg", b"a")
    opened: list[str] = []
    scan = os.scandir

    def counted(path: Path) -> Any:
        opened.append(str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    pages, after = [], ""
    while True:
        opened.clear()
        listing = there.bucket.pictures(after=after, most=5)
        pages.append([picture.key for picture in listing.pictures])
        # And those above it, again.
        assert len(opened) <= 10 + 3
        if listing.next_after is None:
            break
        after = listing.next_after
    assert [key for page in pages for key in page] == ["uploads/030/empty/a.jpg", "uploads/z.jpg"]
    assert len(pages) >= 10


@pytest.mark.parametrize(
    ("outcome", "document"),
    [
        (
            Outcome(KEY, "A1", caption=CAPTION),
            {
                "status": "captioned",
                "caption": CAPTION.text,
                "confidence": CAPTION.confidence,
                "model_version": "v1",
            },
        ),
        (
            Outcome(KEY, "A1", caption=CAPTION, sure=False),
            {
                "status": "captioned",
                "caption": CAPTION.text,
                "confidence": CAPTION.confidence,
                "model_version": CAPTION.model_version,
                "sure": False,
            },
        ),
        (Outcome(KEY, "A1", reason="the picture is empty"), {"status": "failed", "reason": "the picture is empty"}),
        (Outcome(KEY, "A1"), {"status": "gone"}),
    ],
)
def test_an_outcome_is_published_as_json_under_captions(
    there: Fixture, outcome: Outcome, document: dict[str, object]
) -> None:
    there.bucket.publish(outcome)
    found = there.published(KEY)
    assert found is not None
    assert json.loads(found) == {"key": KEY, "sequencer": "A1"} | document


def test_only_a_newer_version_takes_the_place_of_what_is_published(there: Fixture) -> None:
    def said() -> object:
        found = there.published(KEY)
        assert found is not None
        return json.loads(found)["reason"]

    there.bucket.publish(Outcome(KEY, "A1", reason="first"))
    there.bucket.publish(Outcome(KEY, "A1", reason="the same again"))
    there.bucket.publish(Outcome(KEY, "A", reason="older"))
    assert said() == "first"
    there.bucket.publish(Outcome(KEY, "A11", reason="newer, and longer"))
    assert said() == "newer, and longer"
    there.bucket.publish(Outcome(KEY, "A2", reason="newest"))
    there.bucket.publish(Outcome(KEY, "A11", reason="newer, and longer"))
    assert said() == "newest"


def test_what_somebody_else_has_put_where_an_outcome_belongs_gives_way(there: Fixture) -> None:
    there.put(f"captions/{KEY}.json", b'["not one of ours"]')
    there.bucket.publish(Outcome(KEY, "1", reason="ours"))
    assert json.loads(there.published(KEY) or b"")["reason"] == "ours"


def published_anywhere(there: Fixture) -> dict[str, dict[str, str]]:
    """Every outcome that is published, by the key that it says it is of."""
    folder = Path(there.url.removeprefix("file://")) / "captions"
    found = [json.loads(path.read_bytes()) for path in folder.rglob("*.json") if path.is_file()]
    assert len({one["key"] for one in found}) == len(found)
    return {one["key"]: one for one in found}


@pytest.mark.parametrize("size", [250, 251, 254, 255])
@pytest.mark.parametrize("letter", ["a", "é", "\n"])
def test_a_picture_with_as_long_a_name_as_a_file_may_have_gets_its_outcome(
    request: pytest.FixtureRequest, size: int, letter: str
) -> None:
    there = bucket_fixture(request, "folder")
    name = letter * (size // len(letter.encode()))
    name += "x" * (size - len(name.encode()))
    key = f"uploads/{name}"
    there.put(key, b"a")
    assert there.bucket.read(upload(key, "1", b"a"), max_bytes=10) == b"a"
    assert there.bucket.uploaded_at(key) is not None
    for sequencer in ("A1", "A", "A2", "A1"):
        there.bucket.publish(Outcome(key, sequencer, reason=sequencer))
    assert published_anywhere(there)[key]["reason"] == "A2"
    if size <= 250:  # with its ending, as long as a name may be
        assert there.published(key) is not None


@pytest.mark.parametrize("order", [("uploads/a", "uploads/a.json/b"), ("uploads/a.json/b", "uploads/a")])
def test_a_picture_beside_a_folder_whose_name_its_outcome_has_gets_its_outcome(
    there: Fixture, request: pytest.FixtureRequest, order: tuple[str, ...]
) -> None:
    for version in ("A1", "A2"):
        for key in order:
            there.bucket.publish(Outcome(key, version, reason=f"{version} of {key}"))
    if not there.url.startswith("file://"):
        assert all(there.published(key) for key in order)
        return
    assert {key: one["reason"] for key, one in published_anywhere(there).items()} == {
        key: f"A2 of {key}" for key in order
    }
    # Where there is room again, it is where it belongs, and there alone.
    there.delete(f"captions/{order[0]}.json") if order[0] == "uploads/a" else None
    there.bucket.publish(Outcome(order[1], "A3", reason="newest"))
    assert published_anywhere(there)[order[1]]["reason"] == "newest"


@pytest.mark.parametrize("key", ["uploads/a\nb\r\n.jpg", "uploads/\u2028/a\tb"])
def test_a_name_with_line_breaks_is_a_name(there: Fixture, key: str) -> None:
    there.put(key, b"a")
    assert there.bucket.read(upload(key, "1", b"a"), max_bytes=10) == b"a"
    there.bucket.publish(Outcome(key, "1", reason="none"))
    assert json.loads(there.published(key) or b"")["key"] == key


def test_many_who_publish_at_once_leave_the_newest(request: pytest.FixtureRequest) -> None:
    # A folder alone: emulators answer one request at a time, or get races wrong.
    there = bucket_fixture(request, "folder")
    versions = [f"{number:X}" for number in range(1, 16)] * 3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda s: open_bucket(there.url).publish(Outcome(KEY, s, reason=s)), reversed(versions)))
    assert json.loads(there.published(KEY) or b"")["reason"] == "F"


def test_a_form_with_leave_is_let_in_whole(there: Fixture) -> None:
    given = leave(there)
    assert given.fields["key"] == KEY
    status, text = there.post(given, given.fields, b"a" * 1000)
    assert (status, text) == (204, "")
    assert there.bucket.read(upload(KEY, "1"), max_bytes=1000) == b"a" * 1000


@pytest.mark.parametrize(
    ("fields", "size", "status", "code"),
    [
        ({}, 1001, 400, "EntityTooLarge"),
        ({}, 0, 400, "EntityTooSmall"),
        ({"key": "uploads/another.jpg"}, 10, 403, "AccessDenied"),
        ({"key": "captions/uploads/a.jpg.json"}, 10, 403, "AccessDenied"),
        ({"Content-Type": "text/html"}, 10, 403, "AccessDenied"),
        ({"Content-Type": None}, 10, 403, "AccessDenied"),
        ({"acl": "public-read"}, 10, 403, "AccessDenied"),
        ({"success_action_status": "201"}, 10, 403, "AccessDenied"),
    ],
)
def test_a_form_that_asks_for_more_than_it_has_leave_for_is_refused_and_nothing_is_kept(
    there: Fixture, fields: dict[str, str | None], size: int, status: int, code: str
) -> None:
    given = leave(there)
    sent = {name: value for name, value in {**given.fields, **fields}.items() if value is not None}
    answer, text = there.post(given, sent, b"a" * size)
    assert (answer, f"<Code>{code}</Code>" in text) == (status, True), text
    assert there.bucket.uploaded_at(KEY) is None
    assert there.bucket.uploaded_at(sent["key"]) is None


def test_leave_that_is_over_lets_nothing_in(there: Fixture) -> None:
    given = there.bucket.presign(KEY, media_type="image/jpeg", max_bytes=1000, seconds=-1)
    status, text = there.post(given, given.fields, b"a")
    assert (status, "<Code>AccessDenied</Code>" in text, "expired" in text) == (403, True, True), text
    assert there.bucket.uploaded_at(KEY) is None


def test_a_policy_that_was_changed_or_signed_by_another_is_refused(request: pytest.FixtureRequest) -> None:
    # The emulator looks at no signatures.
    there = bucket_fixture(request, "folder")
    given = leave(there)
    policy = json.loads(base64.b64decode(given.fields["policy"]))
    policy["conditions"][-1] = ["content-length-range", 1, 10**9]
    forged = base64.b64encode(json.dumps(policy).encode()).decode()
    for changed in (
        {"policy": forged},
        {"policy": forged, "x-amz-signature": "0" * 64},
        {"x-amz-signature": "ñ"},
    ):
        status, text = there.post(given, {**given.fields, **changed}, b"a")
        assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)
    for missing in ("policy", "x-amz-signature"):
        fields = {name: value for name, value in given.fields.items() if name != missing}
        status, text = there.post(given, fields, b"a")
        assert (status, "<Code>AccessDenied</Code>" in text) == (403, True)
    assert there.bucket.uploaded_at(KEY) is None


@pytest.mark.parametrize(
    "key",
    ["uploads/../secret", "uploads/./a", "uploads//a", "uploads/.hidden", "uploads/\0", "uploads/" + "a" * 300, "/x"],
)
def test_a_key_that_leads_out_of_the_folder_or_to_nowhere_is_of_nothing(tmp_path: Path, key: str) -> None:
    (tmp_path / "bucket" / "uploads").mkdir(parents=True)
    (tmp_path / "bucket" / "secret").write_bytes(b"secret")
    bucket = open_bucket(f"file://{tmp_path}/bucket")
    assert bucket.uploaded_at(key) is None
    if len(key) < 255:
        with pytest.raises(UploadGoneError):
            bucket.read(upload(key, "1"), max_bytes=100)
        bucket.publish(Outcome(key, "1"))
        assert {path.name for path in tmp_path.rglob("*.json")} == set()


def test_a_queue_in_a_pictures_place_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    os.mkfifo(tmp_path / "uploads/a.jpg")
    # Should it be, whoever writes ends the waiting.
    writer = threading.Timer(5, lambda: os.close(os.open(tmp_path / "uploads/a.jpg", os.O_RDWR)))
    writer.start()
    began = time.monotonic()
    with pytest.raises(UploadGoneError):
        open_bucket(f"file://{tmp_path}").read(upload("uploads/a.jpg", "1"), max_bytes=100)
    writer.cancel()
    assert time.monotonic() - began < 4


def test_opening_a_folder_touches_nothing_until_it_is_written_to(tmp_path: Path) -> None:
    bucket = open_bucket(f"file://{tmp_path}/new")
    assert bucket.uploaded_at(KEY) is None
    assert bucket.pictures(most=10) == Listing((), None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BucketUnavailableError, match="file"):
        open_bucket(f"file://{tmp_path}/file").publish(Outcome(KEY, "1"))
    with pytest.raises(BucketUnavailableError, match="file"):
        open_bucket(f"file://{tmp_path}/file").pictures(most=10)


def test_a_bucket_that_is_not_there_is_refused(ministack_endpoint: str) -> None:
    bucket = open_bucket(f"s3://nowhere-at-all?endpoint={ministack_endpoint}")
    with pytest.raises(BucketRefusedError, match="NoSuchBucket"):
        bucket.read(upload(KEY, "1"), max_bytes=100)
    with pytest.raises(BucketRefusedError, match="NoSuchBucket"):
        bucket.publish(Outcome(KEY, "1"))
    bucket.close()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "such as file://data, or s3://bucket"),
        ("file://", "such as file://data, or s3://bucket"),
        ("data", "such as file://data, or s3://bucket"),
        ("gs://bucket", "such as file://data, or s3://bucket"),
        ("s3://", "must be s3://bucket"),
        ("s3://bucket/uploads", "must be s3://bucket"),
        ("s3://No_Bucket", "must be s3://bucket"),
        ("s3://bucket?region=a&region=b", "each once"),
        ("s3://bucket?endpoint=127.0.0.1:9000", "endpoint must be a URL"),
        ("s3://bucket?region=not a region", "not a region"),
    ],
)
def test_a_url_that_names_no_bucket_is_refused_with_what_would_do(url: str, complaint: str) -> None:
    with pytest.raises(BucketUrlError, match=complaint):
        open_bucket(url)
