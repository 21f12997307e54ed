"""An image run more as Lambda runs it than SAM does: its memory bounded, its files read-only but for /tmp, and its user
one that owns none of them. AWS's emulator of the runtime interface, which is in the base image, stands before it.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.images.engine import DockerError, Engine
from tests.images.sam import Function

BUCKET = "/mnt/bucket"
_USER = "993:990"
_START_SECONDS = 30
_ANSWER_SECONDS = 60
# Of the processes in the container that of the function is the largest by far.
_USAGE = """
import glob, json, os
from pathlib import Path
def peak(process):
    return next((int(line.split()[1]) for line in (process / "status").read_text().splitlines() if "VmHWM" in line), 0)
process = max((Path(path) for path in glob.glob("/proc/[0-9]*") if path != f"/proc/{os.getpid()}"), key=peak)
spent = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
print(json.dumps([peak(process) / 1024, sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")]))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function gave back, and after how many seconds."""

    content: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What the function's process has taken so far: the most memory at once, in MB, and seconds of a processor."""

    peak_memory: float
    processor_seconds: float


@dataclass(frozen=True, slots=True)
class Instance:
    """A container with a function in it that has not yet been called; the first call starts the function."""

    engine: Engine
    container: str
    url: str

    def invoke(self, event: Mapping[str, Any]) -> Answer:
        """Calls the function."""
        began = time.perf_counter()
        response = requests.post(self.url, data=json.dumps(event), timeout=_ANSWER_SECONDS)
        return Answer(response.json(), time.perf_counter() - began)

    def usage(self) -> Usage:
        """What the function has taken, its start included."""
        return Usage(*json.loads(self.engine.docker("exec", self.container, "python", "-c", _USAGE)))


@contextmanager
def instance(
    engine: Engine, function: Function, environment: Mapping[str, str], *, mounts: Mapping[Path, str] | None = None
) -> Iterator[Instance]:
    """A new instance of `function`, gone afterwards; what `mounts` names has its path there. Raises DockerError."""
    name = f"instance-{uuid.uuid4().hex}"
    settings = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
    settings += [part for here, there in (mounts or {}).items() for part in ("--volume", f"{here}:{there}")]
    engine.docker(
        *("run", "--detach", "--name", name, "--publish", "127.0.0.1::8080", "--memory", f"{function.memory}m"),
        *("--read-only", "--tmpfs", "/tmp:size=512m,mode=1777", "--user", _USER, *settings),  # noqa: S108 - inside it
        *(function.image, function.handler),
    )
    try:
        address = engine.docker("port", name, "8080/tcp").split()[0]
        _wait(f"http://{address}/", engine, name)
        yield Instance(engine, name, f"http://{address}/2015-03-31/functions/function/invocations")
    finally:
        engine.docker("rm", "--force", name)


def _wait(url: str, engine: Engine, container: str) -> None:
    """Waits until the emulator listens; Docker's own proxy takes connections before that, and drops them."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            requests.get(url, timeout=1)
        except requests.RequestException as error:
            if time.monotonic() > deadline:
                raise DockerError(f"no answer from it: {engine.docker('logs', container)[-2000:]}") from error
            time.sleep(0.05)
        else:
            return
