"""npm, Node and its packages' programs, with the Node that the Makefile takes.

That is this machine's if Vite takes it, else the one in .venv-node.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conftest import go_without
from tests.support.stack import ROOT

MODULES = ROOT / "node_modules"
_OWN = ROOT / ".venv-node" / "bin"
_RECENT = (20, 19)


@dataclass(frozen=True, slots=True)
class Npm:
    """How npm is called: the command, and the environment in which its Node comes first."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


@cache
def npm() -> Npm:
    """npm; skips the test, or under continuous integration fails it, where there is none."""
    node, program = shutil.which("node"), shutil.which("npm")
    if node and program:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        major, _, rest = told.strip().removeprefix("v").partition(".")
        if told and (int(major), int(rest.partition(".")[0])) >= _RECENT:
            return Npm((program,), dict(os.environ))
    if not (_OWN / "npm").exists():
        go_without("Node 20.19 or later: `make studio` installs it")
    return Npm((str(_OWN / "npm"),), {**os.environ, "PATH": f"{_OWN}{os.pathsep}{os.environ['PATH']}"})


def run_node(program: str, *arguments: object, at: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of an installed package in a folder; what it said is on standard output and standard error."""
    environment = npm().environment
    if not (MODULES / ".bin" / program).exists():
        go_without(f"{program}: `make studio` installs it")
    command = [str(MODULES / ".bin" / program), *map(str, arguments)]
    return subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)


def node() -> str:
    """The path of Node."""
    found = shutil.which("node", path=npm().environment["PATH"])
    assert found
    return found
