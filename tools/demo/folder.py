"""The demo's data folder: whose it is, what of the demo is in it already, and that one demo at a time uses it.

A folder is the demo's if it has the file `demo.json`. No other folder with something in it is ever used or deleted.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "demo.json"
_NEW_MARK = f".{_MARK}.new"
_LOCK = "demo.lock"
_OURS = frozenset({_NEW_MARK, _LOCK})
"""What an interrupted start may leave before there is a mark."""


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


class DemoFolder:
    """A folder that is the demo's, and the names of the steps that are `done`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path / _MARK
        try:
            self.done: frozenset[str] = frozenset(json.loads(self._mark.read_bytes())["done"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DemoError(f"{self._mark} cannot be read ({error}): begin anew by FRESH=1 make demo") from error

    @property
    def observations(self) -> str:
        """The URL of the ratings."""
        return f"sqlite:///{self.path}/observations.db"

    @property
    def captions(self) -> str:
        """The URL of the captions."""
        return f"sqlite:///{self.path}/captions.db"

    @property
    def bucket(self) -> str:
        """The URL of the folder of uploads."""
        # Percent signs would be decoded.
        return f"file://{str(self.path).replace('%', '%25')}"

    def mark(self, step: str) -> None:
        """Note, for good, that a step is done."""
        self.done |= {step}
        _write(self._mark, self.done)


@contextmanager
def claimed(path: Path, *, fresh: bool) -> Iterator[DemoFolder]:
    """Give the demo's folder, made if it is not there, to this process alone; `fresh` deletes what the demo had in it.

    Raises:
        DemoError: something else is in it, or another demo uses it.
        OSError: it cannot be written.
    """
    if path.exists() and not (path / _MARK).exists() and any(one.name not in _OURS for one in path.iterdir()):
        raise DemoError(f"{path} has something in it that is not the demo's: name a folder that is new or empty")
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"a demo is running on {path} already: stop it by Ctrl-C where it runs") from None
        if fresh:
            _empty(path)
        if not (path / _MARK).exists():
            _write(path / _MARK, frozenset())
        yield DemoFolder(path)


def _empty(path: Path) -> None:
    """Delete all but the lock, which is held; the mark goes last, so that half of it is still the demo's."""
    for one in sorted(path.iterdir(), key=lambda one: one.name == _MARK):
        if one.name == _LOCK:
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()


def _write(mark: Path, done: frozenset[str]) -> None:
    new = mark.with_name(_NEW_MARK)
    new.write_text(json.dumps({"done": sorted(done)}) + "\n")
    new.replace(mark)
