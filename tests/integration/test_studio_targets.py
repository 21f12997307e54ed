"""The Makefile's way to Studio: which Node it takes, when it builds, and what it does where it cannot.

node and npm are stand-ins that write down what they were asked; the real ones are tried by every `make studio`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import go_without
from tests.support.stack import ROOT

NODE = """#!/bin/sh
# What it was given is JavaScript about process.versions.node: it is asked of the version {version}.
exec {node} -e "Object.defineProperty(process.versions, 'node', {{value: '{version}'}}); $2"
"""
NPM = """#!/bin/sh
echo "{name} $*" >> {log}
case "$1" in
  ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
  run) mkdir -p functions/suggest/studio && echo page > functions/suggest/studio/index.html ;;
esac
"""
SOURCES = (
    ".npmrc",
    "clients/typescript/package.json",
    "clients/typescript/src/index.ts",
    "package-lock.json",
    "package.json",
    "studio/index.html",
    "studio/package.json",
    "studio/src/main.tsx",
    "tools/node/requirements.txt",
)


class Folder:
    """A folder with the Makefile and some sources, and programs that come first on the path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        shutil.copy(ROOT / "Makefile", path)
        for name in SOURCES:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).touch()

    def program(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def make(self, target: str) -> tuple[int, str, list[str]]:
        """The status, what was said, and what npm was asked."""
        # The make that runs the tests is not to tell this one what to do.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        environment = {**kept, "PATH": f"{self.path / 'programs'}{os.pathsep}{kept['PATH']}"}
        self.log.write_text("")
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, self.log.read_text().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.program("programs/npm", NPM.format(name="this machine's", log=made.log))
    return made


def with_node(folder: Folder, version: str) -> None:
    node = shutil.which("node")
    if node is None:
        go_without("Node, whose answer to what the Makefile asks is the test's")
    folder.program("programs/node", NODE.format(node=node, version=version))


INSTALL, BUILD = "ci --no-audit --loglevel error", "run build --silent --workspace studio -- --logLevel warn"


@pytest.mark.parametrize("version", ["20.19.0", "20.20.2", "22.1.0", "24.19.0"])
def test_it_is_built_once_with_this_machines_node_and_again_when_a_source_changes(folder: Folder, version: str) -> None:
    with_node(folder, version)
    status, told, asked = folder.make("studio")
    assert status == 0, told
    assert asked == [f"this machine's {INSTALL}", f"this machine's {BUILD}"]
    assert folder.make("studio")[2] == []

    page = folder.path / "functions/suggest/studio/index.html"
    (folder.path / "studio/src/rate.tsx").touch()
    os.utime(page, (0, 0))
    assert folder.make("studio")[2] == [f"this machine's {BUILD}"]


@pytest.mark.parametrize("version", ["18.20.0", "20.18.9", "9.0.0"])
def test_a_node_that_is_too_old_is_passed_over_for_the_one_of_pypi(folder: Folder, version: str) -> None:
    with_node(folder, version)
    folder.program(".venv-node/bin/npm", NPM.format(name="PyPI's", log=folder.log))
    folder.program(".venv-node/stamp", "")
    status, told, asked = folder.make("studio")

    assert status == 0, told
    assert asked == [f"PyPI's {INSTALL}", f"PyPI's {BUILD}"]


def test_a_start_goes_on_where_the_page_cannot_be_built_and_does_not_try_again(folder: Folder) -> None:
    with_node(folder, "24.19.0")
    folder.program("programs/npm", f'#!/bin/sh\necho "$npm_config_fetch_retries $1" >> {folder.log}\nexit 1\n')
    status, told, asked = folder.make("build/studio.tried")
    assert status == 0
    assert "Studio was not built. All else works; `make studio` tries it again." in told
    assert asked == ["1 ci"], "soon, with one more try of the network"

    assert folder.make("build/studio.tried")[2] == []
    status, told, asked = folder.make("studio")
    assert (status, len(asked)) == (2, 1)


def test_a_start_tries_first() -> None:
    (needed,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("run:")]
    assert "build/studio.tried" in needed
