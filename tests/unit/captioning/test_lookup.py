"""The list of uploads: a page of real files and a real store, what it says of each picture, and what it costs."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from captioning.buckets.folder import FolderBucket
from captioning.buckets.port import LONGEST_KEY, UPLOADS, Listing
from captioning.caption import Caption
from captioning.lookup import MAX_EXAMINED, Pending, UploadedPicture, UploadStatus, browse, find_outcome
from captioning.outcomes import Outcome
from captioning.stores.sqlite import SqliteCaptionStore
from captioning.uploads import MediaType, presign_upload

DOG = Caption("a dog", 0.9, "v1")


class CountedStore(SqliteCaptionStore):
    """Counts the keys of each request."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[int] = []

    def outcomes(self, keys: Sequence[str]) -> Mapping[str, Outcome]:
        self.asked.append(len(keys))
        return super().outcomes(keys)


class CountedBucket(FolderBucket):
    """Counts the pictures that it is asked to list."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[int] = []

    def pictures(self, *, after: str = "", prefix: str = UPLOADS, most: int) -> Listing:
        self.asked.append(most)
        return super().pictures(after=after, prefix=prefix, most=most)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountedStore]:
    store = CountedStore(tmp_path / "captions.db")
    yield store
    store.close()


@pytest.fixture
def bucket(tmp_path: Path) -> CountedBucket:
    (tmp_path / "uploads").mkdir()
    return CountedBucket(tmp_path)


def put(bucket: FolderBucket, *keys: str) -> None:
    for key in keys:
        (bucket.path / key).parent.mkdir(parents=True, exist_ok=True)
        (bucket.path / key).write_bytes(b"a")


def pages(store: CountedStore, bucket: CountedBucket, **asked: object) -> list[tuple[UploadedPicture, ...]]:
    found, cursor = [], None
    while True:
        page = browse(store, bucket, cursor=cursor, **asked)  # type: ignore[arg-type]
        found.append(page.pictures)
        if (cursor := page.next_cursor) is None:
            return found


def test_each_picture_is_listed_with_what_became_of_it(store: CountedStore, bucket: CountedBucket) -> None:
    put(bucket, *(f"uploads/{name}" for name in ("again", "captioned", "failed", "pending")))
    captioned = Outcome("uploads/captioned", "A", caption=DOG)
    failed = Outcome("uploads/failed", "A", reason="the picture is empty")
    # Of what was deleted nothing is listed, whatever became of it.
    for outcome in (captioned, failed, Outcome("uploads/again", "A"), Outcome("uploads/gone", "A"), deleted()):
        store.record(outcome)
    (page,) = pages(store, bucket)
    assert {one.picture.key: (one.status, one.outcome) for one in page} == {
        "uploads/again": (UploadStatus.PENDING, None),
        "uploads/captioned": (UploadStatus.CAPTIONED, captioned),
        "uploads/failed": (UploadStatus.FAILED, failed),
        "uploads/pending": (UploadStatus.PENDING, None),
    }
    # As it is said of each picture alone.
    for one in page:
        alone = find_outcome(store, bucket, one.picture.key)
        assert alone == one.outcome or isinstance(alone, Pending)


def deleted() -> Outcome:
    return Outcome("uploads/deleted", "A", caption=DOG)


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
@pytest.mark.parametrize("status", [None, *UploadStatus])
def test_all_pages_together_have_every_picture_of_a_status_once(
    store: CountedStore, bucket: CountedBucket, status: UploadStatus | None, limit: int
) -> None:
    keys = [f"uploads/{number:03}/dog.jpg" for number in range(12)]
    put(bucket, *keys)
    for key in keys[::3]:
        store.record(Outcome(key, "A", caption=DOG))
    for key in keys[1::3]:
        store.record(Outcome(key, "A", reason="no"))
    wanted = {None: keys, UploadStatus.CAPTIONED: keys[::3], UploadStatus.FAILED: keys[1::3]}.get(status, keys[2::3])
    found = pages(store, bucket, status=status, limit=limit)
    assert [one.picture.key for page in found for one in page] == wanted
    assert all(len(page) <= limit for page in found)


def test_a_page_of_a_status_that_few_have_looks_at_a_bounded_number_and_goes_on_where_it_stopped(
    store: CountedStore, bucket: CountedBucket
) -> None:
    keys = [f"uploads/{number:04}" for number in range(MAX_EXAMINED + 150)]
    put(bucket, *keys)
    store.record(Outcome(keys[-1], "A", reason="no"))
    first = browse(store, bucket, status=UploadStatus.FAILED, limit=5)
    assert first.pictures == ()
    assert first.next_cursor is not None
    assert (bucket.asked, sum(store.asked), len(store.asked)) == ([MAX_EXAMINED], MAX_EXAMINED, MAX_EXAMINED // 100)
    rest = browse(store, bucket, status=UploadStatus.FAILED, limit=5, cursor=first.next_cursor)
    assert [one.picture.key for one in rest.pictures] == keys[-1:]
    assert rest.next_cursor is None


def test_a_page_that_is_full_asks_for_no_more(store: CountedStore, bucket: CountedBucket) -> None:
    put(bucket, *(f"uploads/{number:03}" for number in range(250)))
    assert len(browse(store, bucket, limit=50).pictures) == 50
    assert (bucket.asked, store.asked) == ([50], [50])
    assert len(browse(store, bucket, status=UploadStatus.PENDING, limit=50).pictures) == 50
    assert (bucket.asked, store.asked) == ([50, MAX_EXAMINED], [50, 100])


def test_the_last_page_says_so_where_it_is_just_full(store: CountedStore, bucket: CountedBucket) -> None:
    put(bucket, "uploads/a", "uploads/b")
    assert browse(store, bucket, limit=2).next_cursor is None
    assert browse(store, bucket, limit=2, status=UploadStatus.PENDING).next_cursor is None


def test_of_presigned_uploads_the_newest_comes_first(store: CountedStore, bucket: CountedBucket) -> None:
    now = datetime.now(UTC)
    keys = [
        presign_upload(bucket, media_type=MediaType.PNG, name="z.png", now=now + timedelta(seconds=number)).key
        for number in range(9)
    ]
    put(bucket, *keys, "uploads/dropped.jpg")
    (page,) = pages(store, bucket)
    assert [one.picture.key for one in page] == [*reversed(keys), "uploads/dropped.jpg"]


def cursor_of(key: bytes) -> str:
    return urlsafe_b64encode(key).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "!", "uploads/a", "ñ", "a" * 5),
        *map(cursor_of, (b"captions/a", b"uploads", b"uploads/\xff", b"uploads/\0", b"uploads/" + b"a" * LONGEST_KEY)),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(store: CountedStore, bucket: CountedBucket, cursor: str) -> None:
    with pytest.raises(ValueError, match="not one that an earlier page gave"):
        browse(store, bucket, cursor=cursor)
    assert (bucket.asked, store.asked) == ([], [])


def test_a_cursor_stands_for_any_key(store: CountedStore, bucket: CountedBucket) -> None:
    keys = sorted(f"uploads/{name}" for name in ("é", "🐶", "a b+c%", "two\nlines", "a?b", "x" * 200))
    put(bucket, *keys)
    assert [one.picture.key for page in pages(store, bucket, limit=1) for one in page] == keys
