"""The watched folder: which files become events, when, and what happens when the function fails."""

import json
import os
import threading
import time
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

import pytest

from captioning.buckets.folder import FolderBucket, open_picture
from captioning.errors import PictureTooLargeError, UploadReplacedError
from captioning.outcomes import Upload, comparable
from captioning.pictures.limits import MAX_BYTES
from local import upload_watcher
from local.upload_watcher import UploadWatcher
from tests.support.clock import Clock
from web import logs

LOG = logs.logger("test", level="INFO")


class Recorder:
    """Stands where the function stands; keeps the events, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.failures = 0
        self.called = threading.Event()

    def call(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.called.set()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the storage is away")

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """What the events so far say of their pictures."""
        return [event["Records"][0]["s3"]["object"] for event in self.events]

    @property
    def keys(self) -> list[str]:
        return [picture["key"] for picture in self.pictures]


Watch = Callable[[], UploadWatcher]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def done() -> set[str]:
    """The keys of pictures whose outcomes are there."""
    return set()


@pytest.fixture
def watch(tmp_path: Path, recorder: Recorder, clock: Clock, done: set[str]) -> Watch:
    """A watcher of the folder, as at the start of the stack; the test makes its rounds and lets the time go by."""

    def settled(upload: Upload) -> bool:
        return upload.key in done

    def made() -> UploadWatcher:
        return UploadWatcher(FolderBucket(tmp_path), "uploads/", recorder, settled=settled, log=LOG, clock=clock)  # type: ignore[arg-type]

    return made


def drop(root: Path, key: str, content: bytes = b"a picture") -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def settle(watcher: UploadWatcher) -> None:
    """Make as many rounds as the watcher needs to see that something has come to rest, and one more."""
    for _ in range(3):
        watcher.round()


def test_a_new_picture_becomes_the_event_that_s3_would_send(tmp_path: Path, watch: Watch, recorder: Recorder) -> None:
    watcher = watch()
    drop(tmp_path, "uploads/two dogs + été 🐶/100%.jpg")
    settle(watcher)
    (record,) = recorder.events[0]["Records"]
    documented = json.loads(Path("events/upload-plain.json").read_text())["Records"][0]
    assert record.keys() == documented.keys()
    assert record["s3"].keys() == documented["s3"].keys()
    assert record["eventName"] == documented["eventName"]
    found = record["s3"]["object"]
    assert found["key"] == "uploads/two+dogs+%2B+%C3%A9t%C3%A9+%F0%9F%90%B6/100%25.jpg"
    assert unquote_plus(found["key"]) == "uploads/two dogs + été 🐶/100%.jpg"
    assert (found["size"], found["eTag"]) == (9, md5(b"a picture").hexdigest())  # noqa: S324
    json.dumps(record)


def test_a_picture_is_announced_once_and_again_when_it_changes_with_a_greater_sequencer(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    watcher, picture = watch(), tmp_path / "uploads/a.jpg"
    drop(tmp_path, "uploads/a.jpg")
    settle(watcher)
    assert len(recorder.events) == 1
    written = picture.stat().st_ctime_ns
    # A file system's time goes on in steps of milliseconds.
    while picture.stat().st_ctime_ns == written:
        picture.write_bytes(b"b picture")
    # A copy that keeps its times is newer all the same.
    os.utime(picture, (1, 1))
    settle(watcher)
    first, second = recorder.pictures
    assert comparable(first["sequencer"]) < comparable(second["sequencer"])
    assert first["eTag"] != second["eTag"]
    picture.unlink()
    settle(watcher)
    assert len(recorder.events) == 2


def test_pictures_that_were_there_before_are_announced_at_the_start(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    for name in ("one", "two"):
        drop(tmp_path, f"uploads/{name}")
    for start in range(1, 3):
        settle(watch())
        assert sorted(recorder.keys) == sorted(["uploads/one", "uploads/two"] * start)


def test_pictures_that_have_their_outcome_are_not_announced_anew_nor_read(
    tmp_path: Path, watch: Watch, recorder: Recorder, done: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        drop(tmp_path, f"uploads/{name}")
    done.add("uploads/one")
    read: list[str] = []

    def opened(path: Path) -> BinaryIO:
        read.append(path.name)
        return open_picture(path)

    monkeypatch.setattr(upload_watcher, "open_picture", opened)
    settle(watch())
    assert (recorder.keys, read) == (["uploads/two"], ["two"])


def test_a_file_that_is_too_large_is_announced_without_being_read(
    tmp_path: Path, watch: Watch, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def opened(path: Path) -> BinaryIO:
        read.append(path.name)
        return open_picture(path)

    monkeypatch.setattr(upload_watcher, "open_picture", opened)
    (tmp_path / "uploads").mkdir()
    for name, size in (("vast", 2 * 1024**3), ("large", MAX_BYTES + 1), ("largest", MAX_BYTES)):
        with (tmp_path / "uploads" / name).open("wb") as stream:
            stream.truncate(size)
    settle(watch())
    found = {one["key"].removeprefix("uploads/"): one for one in recorder.pictures}
    assert read == ["largest"]
    assert found["vast"]["size"] == 2 * 1024**3
    assert len({one["eTag"] for one in found.values()}) == 3
    # It is refused for its size before anything else is looked at.
    bucket = FolderBucket(tmp_path)
    with pytest.raises(PictureTooLargeError, match="2147483648 bytes"):
        bucket.read(Upload("uploads/vast", "1", None, found["vast"]["eTag"]), max_bytes=MAX_BYTES)
    # A smaller one that takes its place is another picture, which has an event of its own.
    drop(tmp_path, "uploads/vast")
    with pytest.raises(UploadReplacedError):
        bucket.read(Upload("uploads/vast", "1", None, found["vast"]["eTag"]), max_bytes=MAX_BYTES)


def test_hidden_files_folders_and_names_that_are_no_text_are_nobodys_pictures(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    watcher = watch()
    drop(tmp_path, "uploads/.part")
    drop(tmp_path, "uploads/.folder/a")
    (tmp_path / "uploads/folder").mkdir()
    drop(tmp_path, "captions/a")
    (tmp_path / "uploads" / os.fsdecode(b"\xff")).write_bytes(b"a")
    (tmp_path / "uploads/loop").symlink_to(tmp_path)
    drop(tmp_path, "uploads/a")
    settle(watcher)
    assert recorder.keys == ["uploads/a"]


def test_folders_that_lie_in_each_other_a_thousand_times_do_not_end_the_watch(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    within = os.open(tmp_path, os.O_RDONLY)
    for name in ("uploads", *["q"] * 1_200):
        os.mkdir(name, dir_fd=within)
        outer, within = within, os.open(name, os.O_RDONLY, dir_fd=within)
        os.close(outer)
    try:
        drop(tmp_path, "uploads/a.jpg")
        settle(watch())
        assert recorder.keys == ["uploads/a.jpg"]
    finally:
        # So deep a folder is more than whoever tidies up after tests takes away.
        for _ in range(1_200):
            inner, within = within, os.open("..", os.O_RDONLY, dir_fd=within)
            os.close(inner)
            os.rmdir("q", dir_fd=within)
        os.close(within)


@pytest.mark.skipif(not os.access("/proc/kmsg", os.R_OK), reason="the kernel's log is not for everybody")
def test_what_the_kernel_calls_a_file_and_lets_nobody_finish_keeps_nobody_waiting(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/log.jpg").symlink_to("/proc/kmsg")
    watcher = watch()
    settle(watcher)
    drop(tmp_path, "uploads/a.jpg")
    settle(watcher)
    assert recorder.keys[-1] == "uploads/a.jpg"


def test_a_queue_that_took_a_pictures_place_is_not_waited_for(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    os.mkfifo(picture)
    # Should it be, whoever writes ends the waiting.
    writer = threading.Timer(5, lambda: os.close(os.open(picture, os.O_RDWR)))
    writer.start()
    began = time.monotonic()
    with pytest.raises(FileNotFoundError):
        upload_watcher.upload_event(picture, "uploads/a.jpg", upload_watcher._Seen(1, 9, 1))
    writer.cancel()
    assert time.monotonic() - began < 4


def test_a_picture_that_is_still_being_written_is_left_until_it_rests(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    watcher = watch()
    drop(tmp_path, "uploads/a", b"")
    with (tmp_path / "uploads/a").open("wb", buffering=0) as stream:
        for _ in range(100):
            stream.write(b"a")
            watcher.round()
    assert recorder.events == []
    watcher.round()
    assert [picture["size"] for picture in recorder.pictures] == [100]


def test_an_event_that_fails_is_sent_again_after_a_minute_and_two_more(
    tmp_path: Path, watch: Watch, recorder: Recorder, clock: Clock
) -> None:
    recorder.failures, watcher = 2, watch()
    drop(tmp_path, "uploads/a")
    sent = []
    for pause in (0.0, 59.9, 0.1, 119.9, 0.1, 3600.0):
        clock.advance(pause)
        settle(watcher)
        sent.append(len(recorder.events))
    assert sent == [1, 1, 2, 2, 3, 3]
    first, *again = recorder.pictures
    assert again == [first, first]


def test_one_that_fails_three_times_is_given_up_until_the_next_start_and_keeps_nobody_waiting(
    tmp_path: Path, watch: Watch, recorder: Recorder, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.failures, watcher = 3, watch()
    drop(tmp_path, "uploads/a")
    for pause in (0.0, 60.0, 120.0, 3600.0):
        clock.advance(pause)
        settle(watcher)
    assert recorder.keys == ["uploads/a"] * 3
    drop(tmp_path, "uploads/b")
    settle(watcher)
    assert recorder.keys[3:] == ["uploads/b"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["level"] for line in lines] == ["WARNING", "WARNING", "ERROR"]
    assert {line["key"] for line in lines} == {"uploads/a"}
    assert "given up" in lines[2]["message"]
    settle(watch())
    assert sorted(recorder.keys[4:]) == ["uploads/a", "uploads/b"]


def test_other_pictures_do_not_wait_for_one_that_is_to_be_tried_again(
    tmp_path: Path, watch: Watch, recorder: Recorder
) -> None:
    recorder.failures, watcher = 1, watch()
    drop(tmp_path, "uploads/a")
    settle(watcher)
    drop(tmp_path, "uploads/b")
    settle(watcher)
    assert recorder.keys == ["uploads/a", "uploads/b"]


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path, watch: Watch, recorder: Recorder) -> None:
    watcher = watch()
    watcher.round()
    (tmp_path / "uploads").rename(tmp_path / "elsewhere")
    watcher.round()
    (tmp_path / "uploads/a").write_bytes(b"a picture")
    settle(watcher)
    assert recorder.keys == ["uploads/a"]


def test_trouble_with_the_folder_is_logged_once_and_so_is_its_end(
    tmp_path: Path, watch: Watch, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uploads").write_bytes(b"a file where a folder belongs")
    watcher = watch()
    settle(watcher)
    (tmp_path / "uploads").unlink()
    drop(tmp_path, "uploads/a")
    settle(watcher)
    assert recorder.keys == ["uploads/a"]
    messages = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert len(messages) == 2
    assert messages[0].startswith("the upload folder cannot be read")
    assert messages[1] == "the upload folder can be read again"


def test_rounds_are_half_a_second_apart_and_ten_times_as_long_as_looking_takes(
    tmp_path: Path, watch: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(path: Path) -> BinaryIO:
        clock.advance(2.0)
        return open_picture(path)

    monkeypatch.setattr(upload_watcher, "open_picture", opened)
    watcher = watch()
    drop(tmp_path, "uploads/a")
    assert [watcher.round() for _ in range(3)] == [0.5, 20.0, 0.5]


def test_a_watcher_that_was_started_makes_its_rounds_until_it_is_closed(
    tmp_path: Path, watch: Watch, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_watcher, "POLL_SECONDS", 0.001)
    watcher = watch()
    watcher.start()
    drop(tmp_path, "uploads/a")
    assert recorder.called.wait(20)
    watcher.close()
    drop(tmp_path, "uploads/b")
    assert recorder.keys == ["uploads/a"]
    assert "uploads" not in {thread.name for thread in threading.enumerate()}
