"""Watches the folder that stands in for the upload bucket: a new picture becomes the event that S3 would send.

Events go to the upload function as Lambda's asynchronous calls do: one that fails is tried twice more, after one and
after two minutes, and then given up; AWS would put it into the dead-letter queue. When the stack starts, the
pictures without an outcome are announced again, so that none is lost that was interrupted or given up.

A picture is announced once it is unchanged for half a second. If it is still being written then, the part is captioned
or fails, and the picture is announced again when it has changed.
"""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from aws_lambda_powertools import Logger

from captioning.buckets.folder import FolderBucket, open_picture
from captioning.outcomes import Upload, comparable
from captioning.pictures.limits import MAX_BYTES
from local.events import ACCOUNT
from local.functions import Function

POLL_SECONDS = 0.5
RETRY_PAUSES = (60.0, 120.0)
"""Seconds before the second and the third attempt, as Lambda's."""

_SCAN_SHARE = 10
"""The least pause between two scans, in durations of a scan, so that large folders do not keep a core busy."""

_BUCKET_NAME = "local"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What tells one version of a file from another. `changed_ns` is `st_ctime`, which unlike `st_mtime` only grows."""

    changed_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True, order=True)
class _Delivery:
    due: float
    number: int
    """Orders deliveries that are due at the same time, so that later fields are never compared."""
    attempt: int
    key: str
    event: Mapping[str, Any]


class UploadWatcher:
    """Calls `function` for new pictures of `bucket` whose keys begin with `prefix`, one `round` after the other.

    Pictures that are `settled` need no event. The folder is made if it is missing, also later. `clock` gives the
    seconds by which rounds and further attempts are timed. `start` begins the thread that makes the rounds.
    """

    def __init__(
        self,
        bucket: FolderBucket,
        prefix: str,
        function: Function,
        *,
        settled: Callable[[Upload], bool],
        log: Logger,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = bucket.path
        self._folder = bucket.path / prefix
        self._function = function
        self._settled = settled
        self._log = log
        self._pauses = tuple(retry_pauses)
        self._last: dict[str, _Seen] = {}
        self._announced: dict[str, _Seen] = {}
        self._deliveries: list[_Delivery] = []
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._trouble = ""
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def start(self) -> None:
        """Make rounds from now on, on a thread of their own."""
        self._thread.start()

    def close(self) -> None:
        """Stop, after the call in progress."""
        self._stopping.set()
        self._thread.join()

    def round(self) -> float:
        """Look once, call the function with what is due, and return the seconds to wait before the next round."""
        began = self._clock()
        trouble = ""
        try:
            self._look()
        except OSError as error:
            trouble = f"the upload folder cannot be read: {error}"
        if trouble != self._trouble:
            self._log.error(trouble or "the upload folder can be read again")
            self._trouble = trouble
        pause = max(POLL_SECONDS, _SCAN_SHARE * (self._clock() - began))
        self._deliver()
        return pause

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self.round()

    def _look(self) -> None:
        """Queue an event for each picture that is new and unchanged since the last scan."""
        self._folder.mkdir(parents=True, exist_ok=True)
        now = dict(_files(self._folder, self._root))
        for key, seen in now.items():
            if seen == self._last.get(key) != self._announced.get(key):
                self._announced[key] = seen
                try:
                    if self._settled(Upload(key, comparable(_sequencer(seen)))):
                        continue
                    event = upload_event(self._root / key, key, seen)
                except OSError as error:
                    self._log.warning("a picture cannot be read: %s", error, key=key)
                else:
                    self._queue(key, event, attempt=0, due=self._clock())
        self._last = now
        for key in self._announced.keys() - now.keys():
            del self._announced[key]

    def _queue(self, key: str, event: Mapping[str, Any], *, attempt: int, due: float) -> None:
        heapq.heappush(self._deliveries, _Delivery(due, next(self._numbers), attempt, key, event))

    def _deliver(self) -> None:
        """Call the function with each event that is due."""
        while self._deliveries and self._deliveries[0].due <= self._clock() and not self._stopping.is_set():
            delivery = heapq.heappop(self._deliveries)
            try:
                self._function.call(delivery.event)
            except Exception as error:  # noqa: BLE001 - whatever a function raises, Lambda tries again
                self._failed(delivery, error)

    def _failed(self, delivery: _Delivery, error: Exception) -> None:
        if delivery.attempt < len(self._pauses):
            pause = self._pauses[delivery.attempt]
            self._log.warning("an upload failed and is tried again in %g s: %s", pause, error, key=delivery.key)
            due = self._clock() + pause
            self._queue(delivery.key, delivery.event, attempt=delivery.attempt + 1, due=due)
        else:
            self._log.error("an upload was given up until the next start: %s", error, key=delivery.key)


def upload_event(path: Path, key: str, seen: _Seen) -> dict[str, Any]:
    """Make the event that S3 sends for a new object (Amazon S3 User Guide, "Event message structure").

    Raises:
        OSError: the file cannot be read.
    """
    if seen.size > MAX_BYTES:
        # Like S3's own ETags of large objects, it tells versions apart and is no hash of the content: the function
        # refuses such a file for its size, and reading it would delay all others.
        etag = f"{md5(f'{seen.size} {seen.changed_ns}'.encode(), usedforsecurity=False).hexdigest()}-1"
    else:
        with open_picture(path) as stream:
            size = min(os.fstat(stream.fileno()).st_size, MAX_BYTES)
            etag = md5(stream.read(size), usedforsecurity=False).hexdigest()
    moment = datetime.fromtimestamp(seen.changed_ns / 1e9, UTC)
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": ACCOUNT},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "local", "x-amz-id-2": "local"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "local",
            "bucket": {
                "name": _BUCKET_NAME,
                "ownerIdentity": {"principalId": ACCOUNT},
                "arn": f"arn:aws:s3:::{_BUCKET_NAME}",
            },
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": seen.size,
                "eTag": etag,
                "sequencer": _sequencer(seen),
            },
        },
    }
    return {"Records": [record]}


def _sequencer(seen: _Seen) -> str:
    return f"{seen.changed_ns:016X}"


def _files(folder: Path, root: Path) -> Iterator[tuple[str, _Seen]]:
    """Yield the files below `folder` by key, without hidden ones and those whose names are not UTF-8."""
    waiting = [folder]
    # Not by recursion: folders may be nested more deeply than Python's recursion limit.
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".") and _is_text(entry.name)]
        except OSError:
            if here == folder:
                raise
            # Deleted meanwhile, or not readable; the other folders are.
            continue
        for entry in found:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file():
                    state = entry.stat()
                    key = Path(entry.path).relative_to(root).as_posix()
                    yield key, _Seen(state.st_ctime_ns, state.st_size, state.st_ino)
            except OSError:
                continue


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
