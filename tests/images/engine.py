"""A Docker engine to build and run the images with: the machine's own, or else one that is started for as long as it is
asked for, with a socket of its own and its data under build/, so that what it holds is nobody else's.

Starting one takes root and Linux; installing it, Debian's or Ubuntu's packages.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import ROOT

_DATA = ROOT / "build" / "docker"
_START_SECONDS = 60
_STOP_SECONDS = 60


class EngineMissingError(Exception):
    """There is no Docker engine and none can be started; the message says what is in the way."""


class DockerError(Exception):
    """A docker command failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. `environment` is what a program needs to find it; `own` says whether we started it."""

    environment: Mapping[str, str]
    own: bool

    def docker(self, *arguments: str) -> str:
        """What `docker <arguments>` writes to standard output. Raises DockerError."""
        done = subprocess.run(
            ["docker", *arguments], env=dict(self.environment), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DockerError(f"docker {arguments[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout


@contextmanager
def engine() -> Iterator[Engine]:
    """The machine's engine if it has one that runs, else our own. Raises EngineMissingError."""
    # The classic builder, as SAM uses it: BuildKit is a plugin, which Debian's Docker comes without.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    if shutil.which("docker") and _answers(environment):
        yield Engine(environment, own=False)
        return
    if not shutil.which("dockerd"):
        install("docker.io")
    if not shutil.which("docker"):
        install("docker-cli")
    if os.geteuid() != 0:
        raise EngineMissingError("no Docker engine answers, and starting one takes root")
    # A socket's path may have 107 characters, so it is not under the repository.
    with tempfile.TemporaryDirectory(prefix="docker-") as scratch:
        environment["DOCKER_HOST"] = f"unix://{scratch}/socket"
        with (Path(scratch) / "log").open("w+") as said:
            command = ["dockerd", "--host", environment["DOCKER_HOST"], "--data-root", str(_DATA)]
            command += ["--exec-root", f"{scratch}/run", "--pidfile", f"{scratch}/pid"]
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                _wait(process, environment, Path(said.name))
                started = Engine(environment, own=True)
                # What has no name is what builds may still begin from; after a week none will.
                started.docker("image", "prune", "--force", "--filter", "until=168h")
                yield started
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def install(*packages: str) -> None:
    """Installs Debian's packages. Raises EngineMissingError."""
    names = " ".join(packages)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise EngineMissingError(f"{names} must be installed first; it takes root and apt-get to do it here")
    print(f"Installing {names}", file=sys.stderr)
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages]
    done = subprocess.run(command, env=quietly, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "update", "--quiet"], env=quietly, capture_output=True, check=False)
        done = subprocess.run(command, env=quietly, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineMissingError(f"{names} cannot be installed: {done.stderr.strip()[-500:]}")


def _answers(environment: Mapping[str, str]) -> bool:
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    # Without an engine the command may succeed all the same, and give an empty version.
    return done.returncode == 0 and bool(done.stdout.strip())


def _wait(process: "subprocess.Popen[bytes]", environment: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(environment):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EngineMissingError(f"dockerd did not start: {log.read_text()[-2000:]}")
        time.sleep(0.2)
