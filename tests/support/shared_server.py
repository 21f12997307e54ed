"""One server for all processes of a run: whoever asks first starts it, and stops it when nobody uses it any more.

A lock ends with its process, so that one that is killed keeps nobody waiting.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path


@contextmanager
def shared_server(folder: Path, name: str, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The endpoint that `start` gives, called once for all processes that ask in `folder` for a server of that `name`.

    Who started it waits in the end for all others. What `start` raises, each of them sees for itself. Of several, the
    last that was entered must be left first: then no two processes wait for each other.
    """
    noted = folder / f"{name}.endpoint"
    gate, users = (folder / f"{name}.{lock}" for lock in ("gate", "users"))
    with users.open("w") as using, ExitStack() as ours:
        with gate.open("w") as entering:
            fcntl.flock(entering, fcntl.LOCK_EX)
            fcntl.flock(using, fcntl.LOCK_SH)
            if not noted.exists():
                noted.write_text(ours.enter_context(start()))
                ours.callback(_retire, noted, gate, users)
        yield noted.read_text()
        # Not among its users any more: whoever started it waits for those who still are.
        fcntl.flock(using, fcntl.LOCK_UN)


def _retire(noted: Path, gate: Path, users: Path) -> None:
    """Let nobody in, wait until everybody is out, and forget the server."""
    with gate.open("w") as entering, users.open("w") as using:
        fcntl.flock(entering, fcntl.LOCK_EX)
        fcntl.flock(using, fcntl.LOCK_EX)
        noted.unlink()
