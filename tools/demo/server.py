"""The local stack in a process of its own, as `make run` starts it, but on the demo's data."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.demo.folder import DemoError, DemoFolder

_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 30
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A stack that listens at `url`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Wait until it ends by itself.

        Raises:
            DemoError: it has.
        """
        raise DemoError(f"the stack ended with status {self.process.wait()}: {self.log} has its log")


@contextmanager
def running(folder: DemoFolder) -> Iterator[LocalStack]:
    """Run the stack on the folder's data, with HOST, PORT and API_KEY of this process; stop it in the end.

    Raises:
        DemoError: it does not start; the message is what it says itself.
    """
    log, said = folder.path / "server.log", folder.path / "server.err"
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"SPACES", "THROTTLE"}},
        "OBSERVATION_STORE": folder.observations,
        "CAPTION_STORE": folder.captions,
        "UPLOAD_BUCKET": folder.bucket,
    }
    with log.open("ab") as output, said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "main.py"], cwd=_ROOT, env=environment, stdout=output, stderr=errors
        )
    try:
        yield LocalStack(_address(process, said), process, log)
    finally:
        _stop(process)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    while True:
        # In this order: what it says before it ends is read.
        has_ended = process.poll() is not None
        text = said.read_text(errors="replace")
        if found := re.search(r"Listening on (http://\S+)", text):
            return found[1]
        if has_ended:
            raise DemoError((text.strip().splitlines() or ["the stack ended and said nothing"])[-1])
        time.sleep(_LOOK_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop it in good order. Where Ctrl-C has reached it too, it is stopping already."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
