"""The image that the Dockerfile builds on: AWS's where it can be pulled, else a stand-in under the same name.

The stand-in (tests/emulators/lambda) is made only on an engine of our own: under AWS's name on a developer's engine, it
would end up in what is deployed.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.images import packages_of_npm
from tests.images.engine import DockerError, Engine, EngineMissingError, install
from tests.images.recipe import DOCKERFILE
from tests.images.wheels import fetch
from tests.support.stack import ROOT

AWS, STAND_IN = "AWS's base image", "the stand-in for AWS's base image"

_RECIPE = ROOT / "tests" / "emulators" / "lambda"
_SAM = ROOT / ".venv-sam" / "lib"
_SUITE = "trixie"  # the release of Debian that has Python 3.13
_PACKAGES = ("python3.13", "libstdc++6")
_PIP = ROOT / "build" / "pip"
_NPM = ROOT / "build" / "npm"
_NODE = ROOT / "tools" / "node" / "requirements.txt"
_OURS = "# made for one run of the images' tests\n"
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def architecture() -> str:
    """This machine's, as wheels name it."""
    return _ARCHITECTURES[platform.machine().lower()]


def base_name() -> str:
    """The image that the functions' Dockerfile names."""
    (name,) = set(re.findall(r"^FROM (\S+/\S+)", DOCKERFILE.read_text(), re.MULTILINE))
    return str(name)


def prepare(engine: Engine) -> str:
    """Sees to it that `engine` has the base image; says which. Raises EngineMissingError."""
    name = base_name()
    try:
        engine.docker("pull", "--quiet", name)
    except DockerError as refusal:
        if not engine.own:
            if engine.docker("images", "--quiet", name):
                return AWS
            raise EngineMissingError(
                f"this machine's Docker cannot pull {name} ({refusal}). Once it is stopped, these tests start one "
                "of their own, with a stand-in for that image"
            ) from refusal
        _make_stand_in(engine, name)
        return STAND_IN
    return AWS


@contextmanager
def wheelhouse() -> Iterator[None]:
    """Gives the builds of this run the wheels that the tests have read, so that no container need reach an index.

    A folder build/pip/ of the developer's own, with a configuration for their mirror, is left as it is.
    """
    configuration = _PIP / "pip.conf"
    if _PIP.exists() and not (configuration.is_file() and configuration.read_text().startswith(_OURS)):
        yield
        return
    shutil.rmtree(_PIP, ignore_errors=True)
    _PIP.mkdir(parents=True)
    try:
        configuration.write_text(f"{_OURS}[global]\nno-index = true\nfind-links = /packages\n")
        for wheel in (*fetch(architecture()), *fetch(architecture(), (_NODE,), keep="node")):
            (_PIP / wheel.name).hardlink_to(wheel)
        yield
    finally:
        shutil.rmtree(_PIP)


@contextmanager
def npm_cache() -> Iterator[None]:
    """Gives the builds of this run the packages of npm in the same way, under build/npm/."""
    configuration = _NPM / "npmrc"
    if _NPM.exists() and not (configuration.is_file() and configuration.read_text().startswith(_OURS)):
        yield
        return
    shutil.rmtree(_NPM, ignore_errors=True)
    _NPM.mkdir(parents=True)
    try:
        shutil.copytree(packages_of_npm.fetch(), _NPM / "cache", copy_function=os.link)
        settings = {"cache": "/packages/cache", "offline": "true", "registry": packages_of_npm.registry()}
        configuration.write_text(_OURS + "".join(f"{name}={value}\n" for name, value in settings.items()))
        yield
    finally:
        shutil.rmtree(_NPM)


def _make_stand_in(engine: Engine, name: str) -> None:
    sources = [*sorted(_RECIPE.iterdir()), Path(__file__)]
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if engine.docker("images", "--quiet", "--filter", f"label=recipe={recipe}", name):
        return
    print(f"{name} cannot be pulled: making a stand-in from Debian's packages", file=sys.stderr)
    if not shutil.which("mmdebstrap"):
        install("mmdebstrap")
    (emulator,) = _SAM.glob(f"*/site-packages/samcli/local/rapid/aws-lambda-rie-{_emulator_suffix()}")
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch) / "context"
        shutil.copytree(_RECIPE, context)
        shutil.copy(emulator, context / "aws-lambda-rie")
        (context / "wheels").mkdir()
        for wheel in fetch(architecture(), (_RECIPE / "requirements.txt",), keep="base"):
            shutil.copy(wheel, context / "wheels")
        _bootstrap(context / "rootfs.tar")
        engine.docker("build", "--quiet", "--label", f"recipe={recipe}", "--tag", name, str(context))


def _emulator_suffix() -> str:
    return "arm64" if architecture() == "aarch64" else "x86_64"


def _bootstrap(target: Path) -> None:
    """Writes a Debian with Python to `target`, from the mirror that this machine's apt is set to."""
    listing = ["apt-get", "indextargets", "--format", json.dumps({"uri": "$(REPO_URI)"})]
    known = subprocess.run(
        [*listing, "Created-By: Packages", "Origin: Debian", "Component: main"],
        capture_output=True,
        text=True,
        check=False,
    )
    mirrors = [json.loads(line)["uri"] for line in known.stdout.splitlines()]
    # Security updates come from another archive, which has no whole suite.
    mirror = next((one for one in mirrors if "security" not in one), None)
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}"]
    command += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
    command += [_SUITE, str(target), *([mirror] if mirror else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineMissingError(f"mmdebstrap cannot make a stand-in: {done.stderr.strip()[-1000:]}")
