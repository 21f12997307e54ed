"""The watched folder: which files become events, when, and what happens when the function fails."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
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
from web import logs

LOG = logs.logger("test", level="INFO")


class Recorder:
    """Stands where the function stands; keeps the events, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.failures = 0
        self.called = threading.Condition()

    def call(self, event: dict[str, Any]) -> None:
        with self.called:
            self.events.append(event)
            self.called.notify_all()
            if self.failures:
                self.failures -= 1
                raise RuntimeError("the storage is away")

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The records of the first `count` events, once they have come."""
        with self.called:
            assert self.called.wait_for(lambda: len(self.events) >= count, timeout=20)
            return [event["Records"][0]["s3"]["object"] for event in self.events[:count]]


Start = Callable[..., UploadWatcher]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def start(tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(upload_watcher, "POLL_SECONDS", 0.05)
    running: list[UploadWatcher] = []

    def run(*, retry_pauses: tuple[float, ...] = (0.05, 0.1)) -> UploadWatcher:
        bucket = FolderBucket(tmp_path)
        watcher = UploadWatcher(bucket, "uploads/", recorder, log=LOG, retry_pauses=retry_pauses)  # type: ignore[arg-type]
        running.append(watcher)
        return watcher

    yield run
    for watcher in running:
        watcher.close()


def drop(root: Path, key: str, content: bytes = b"a picture") -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def settle() -> None:
    """Longer than the watcher needs to see that something has come to rest."""
    time.sleep(0.4)


def test_a_new_picture_becomes_the_event_that_s3_would_send(tmp_path: Path, start: Start, recorder: Recorder) -> None:
    start()
    drop(tmp_path, "uploads/two dogs + été 🐶/100%.jpg")
    recorder.wait_for(1)
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
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    start()
    drop(tmp_path, "uploads/a.jpg")
    recorder.wait_for(1)
    settle()
    assert len(recorder.events) == 1
    drop(tmp_path, "uploads/a.jpg", b"b picture")
    # A copy that keeps its times is newer all the same.
    os.utime(tmp_path / "uploads/a.jpg", (1, 1))
    first, second = recorder.wait_for(2)
    assert comparable(first["sequencer"]) < comparable(second["sequencer"])
    assert first["eTag"] != second["eTag"]
    (tmp_path / "uploads/a.jpg").unlink()
    settle()
    assert len(recorder.events) == 2


def test_pictures_that_were_there_before_are_announced_at_the_start(
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    for name in ("one", "two"):
        drop(tmp_path, f"uploads/{name}")
    start()
    assert {found["key"] for found in recorder.wait_for(2)} == {"uploads/one", "uploads/two"}


def test_a_file_that_is_too_large_is_announced_without_being_read(
    tmp_path: Path, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
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
    start()
    found = {one["key"].removeprefix("uploads/"): one for one in recorder.wait_for(3)}
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
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    start()
    drop(tmp_path, "uploads/.part")
    drop(tmp_path, "uploads/.folder/a")
    (tmp_path / "uploads/folder").mkdir()
    drop(tmp_path, "captions/a")
    (tmp_path / "uploads" / os.fsdecode(b"\xff")).write_bytes(b"a")
    (tmp_path / "uploads/loop").symlink_to(tmp_path)
    drop(tmp_path, "uploads/a")
    assert recorder.wait_for(1)[0]["key"] == "uploads/a"
    settle()
    assert len(recorder.events) == 1


def test_folders_that_lie_in_each_other_a_thousand_times_do_not_end_the_watch(
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    within = os.open(tmp_path, os.O_RDONLY)
    for name in ("uploads", *["q"] * 1_200):
        os.mkdir(name, dir_fd=within)
        outer, within = within, os.open(name, os.O_RDONLY, dir_fd=within)
        os.close(outer)
    try:
        start()
        drop(tmp_path, "uploads/a.jpg")
        assert recorder.wait_for(1)[0]["key"] == "uploads/a.jpg"
    finally:
        # So deep a folder is more than whoever tidies up after tests takes away.
        for _ in range(1_200):
            inner, within = within, os.open("..", os.O_RDONLY, dir_fd=within)
            os.close(inner)
            os.rmdir("q", dir_fd=within)
        os.close(within)


@pytest.mark.skipif(not os.access("/proc/kmsg", os.R_OK), reason="the kernel's log is not for everybody")
def test_what_the_kernel_calls_a_file_and_lets_nobody_finish_keeps_nobody_waiting(
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/log.jpg").symlink_to("/proc/kmsg")
    watcher = start()
    recorder.wait_for(1)
    drop(tmp_path, "uploads/a.jpg")
    assert recorder.wait_for(2)[1]["key"] == "uploads/a.jpg"
    watcher.close()


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
    tmp_path: Path, start: Start, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seldom enough for a busy machine, on which the writing below may pause.
    monkeypatch.setattr(upload_watcher, "POLL_SECONDS", 0.6)
    drop(tmp_path, "uploads/a", b"")
    with (tmp_path / "uploads/a").open("wb", buffering=0) as stream:
        start()
        for _ in range(100):
            stream.write(b"a")
            time.sleep(0.015)
    assert recorder.wait_for(1)[0]["size"] == 100


def test_an_event_that_fails_is_sent_twice_more(tmp_path: Path, start: Start, recorder: Recorder) -> None:
    recorder.failures = 2
    start()
    drop(tmp_path, "uploads/a")
    first, *again = recorder.wait_for(3)
    assert again == [first, first]
    settle()
    assert len(recorder.events) == 3


def test_one_that_fails_three_times_is_given_up_until_the_next_start_and_keeps_nobody_waiting(
    tmp_path: Path, start: Start, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.failures = 3
    watcher = start()
    drop(tmp_path, "uploads/a")
    recorder.wait_for(3)
    drop(tmp_path, "uploads/b")
    assert recorder.wait_for(4)[3]["key"] == "uploads/b"
    watcher.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["level"] for line in lines] == ["WARNING", "WARNING", "ERROR"]
    assert {line["key"] for line in lines} == {"uploads/a"}
    assert "given up" in lines[2]["message"]
    start()
    assert {found["key"] for found in recorder.wait_for(6)[4:]} == {"uploads/a", "uploads/b"}


def test_other_pictures_do_not_wait_for_one_that_is_to_be_tried_again(
    tmp_path: Path, start: Start, recorder: Recorder
) -> None:
    recorder.failures = 1
    start(retry_pauses=(60.0,))
    drop(tmp_path, "uploads/a")
    recorder.wait_for(1)
    drop(tmp_path, "uploads/b")
    assert recorder.wait_for(2)[1]["key"] == "uploads/b"


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path, start: Start, recorder: Recorder) -> None:
    start()
    settle()
    (tmp_path / "uploads").rename(tmp_path / "elsewhere")
    settle()
    drop(tmp_path, "uploads/a")
    assert recorder.wait_for(1)[0]["key"] == "uploads/a"


def test_trouble_with_the_folder_is_logged_once_and_so_is_its_end(
    tmp_path: Path, start: Start, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uploads").write_bytes(b"a file where a folder belongs")
    watcher = start()
    settle()
    (tmp_path / "uploads").unlink()
    drop(tmp_path, "uploads/a")
    recorder.wait_for(1)
    watcher.close()
    messages = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert len(messages) == 2
    assert messages[0].startswith("the upload folder cannot be read")
    assert messages[1] == "the upload folder can be read again"


def test_lambdas_own_pauses_are_a_minute_and_two() -> None:
    assert upload_watcher.RETRY_PAUSES == (60.0, 120.0)
