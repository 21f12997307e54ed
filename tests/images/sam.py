"""AWS's command line for SAM, in an environment of its own: builds the images, calls functions, serves the API."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.template import _Loader
from tests.images.engine import Engine
from tests.support.events import ENVIRONMENT
from tests.support.stack import ROOT

BUILT = ROOT / "build" / "images"
_COMMAND = ROOT / ".venv-sam" / "bin" / "sam"
_BUILT_TEMPLATE = BUILT / "template.yaml"
_START_SECONDS = 180  # of a busy machine
_PATIENCE = 300  # seconds for an answer


class SamError(Exception):
    """A command of SAM's failed; the message is what it said last."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template, with the image that was built for it. `memory` is in MB."""

    name: str
    image: str
    handler: str
    memory: int


@dataclass(frozen=True, slots=True)
class Sam:
    """SAM on a Docker engine."""

    engine: Engine

    def build(self) -> tuple[Function, ...]:
        """Builds the images of all functions as `sam build` does, and says so while it does. Raises SamError."""
        # One after the other: two functions have the same image, which is then made once.
        command = ["build", "--template", "template.yaml", "--build-dir", str(BUILT)]
        said: list[str] = []
        with subprocess.Popen(
            [_COMMAND, *command],
            cwd=ROOT,
            env=self._environment() | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if line.startswith(("Step", "Successfully tagged")):
                    print(line, end="", file=sys.stderr, flush=True)
        if process.returncode:
            raise SamError("".join(said)[-3000:])
        # What runs out on Lambda is a time with a processor; here a function may wait for one longer than it computes.
        patient = re.sub(r"^( +Timeout:) \d+$", rf"\1 {_PATIENCE}", _BUILT_TEMPLATE.read_text(), flags=re.MULTILINE)
        _BUILT_TEMPLATE.write_text(patient)
        return _functions()

    def invoke(self, function: str, event: Path) -> Any:
        """What the function answers to `event` by `sam local invoke`, in a new container. Raises SamError."""
        command = ["local", "invoke", function, "--event", str(event), *self._without_aws()]
        done = subprocess.run(
            [_COMMAND, *command], cwd=ROOT, env=self._environment(), capture_output=True, text=True, check=False
        )
        last = done.stdout.strip().rpartition("\n")[2]
        # A function that raises is answered with its error, and may end the command with another status than 0.
        if not last.startswith("{") or (done.returncode and "errorType" not in last):
            raise SamError(done.stderr[-3000:])
        return json.loads(last)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The API as `sam local start-api` serves it; gives its URL. Raises SamError."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # Containers stay for the next request to the same function, as they do on Lambda.
        command = ["local", "start-api", "--port", str(port), "--warm-containers", "LAZY", *self._without_aws()]
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            # So it is below a shell that runs all this in the background, and SAM would never stop.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        log = BUILT / "start-api.log"
        with log.open("w") as said:
            process = subprocess.Popen(
                [_COMMAND, *command], cwd=ROOT, env=self._environment(), stdout=said, stderr=subprocess.STDOUT
            )
            try:
                deadline = time.monotonic() + _START_SECONDS
                while not _listens(port):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise SamError(log.read_text()[-3000:])
                    time.sleep(0.1)
                yield f"http://127.0.0.1:{port}"
            finally:
                # As by Ctrl-C, upon which it removes its containers.
                process.send_signal(signal.SIGINT)
                process.wait(timeout=_START_SECONDS)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.engine.environment, "SAM_CLI_TELEMETRY": "0"}

    def _without_aws(self) -> list[str]:
        return ["--template", str(_BUILT_TEMPLATE), "--env-vars", str(ENVIRONMENT), "--region", "eu-west-1"]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _functions() -> tuple[Function, ...]:
    document = yaml.load(_BUILT_TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader's child
    return tuple(
        Function(
            name=name,
            image=resource["Properties"]["ImageUri"],
            handler=resource["Properties"]["ImageConfig"]["Command"][0],
            memory=resource["Properties"]["MemorySize"],
        )
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    )
