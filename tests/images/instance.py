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
# The function is the largest process by far; it may have started others, which its caller pays for as well.
_USAGE = """
import json, os
from pathlib import Path
processes = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
def peak(process):
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
def fields(process):
    return list(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1:15]))
family = [max(processes, key=peak)]
for parent in family:
    family += [process for process in processes if fields(process)[0] == parent]
# Of the function and of its processes, those that have ended included.
spent = sum(sum(fields(process)[10:14]) for process in family)
print(json.dumps([sum(map(peak, family)) / 1024, spent / os.sysconf("SC_CLK_TCK"), len(family)]))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function gave back, and after how many seconds."""

    content: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a function has taken so far: memory in MB, the highest of each of its processes added up; seconds of a
    processor; and how many processes it has.
    """

    peak_memory: float
    processor_seconds: float
    processes: int


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
