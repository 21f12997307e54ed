"""The Makefile's care for .venv: a Python that is not supported is refused, a broken environment is made anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT

OLD = """#!/bin/sh
test "$1" = --version && echo Python 3.10.14 && exit
case "$2" in *"(3, 11)"*) exit 1 ;; esac # it is older
exec {python} "$@"
"""


# Python's own venv, but for pip, which takes seconds to unpack: this one has nothing to install.
NEW = """#!/bin/sh
test "$1 $2" = "-m venv" || exec {python} "$@"
{python} -m venv --without-pip "$3" && ln -s /bin/true "$3/bin/pip"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile, where nothing is to be installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/requirements.txt").touch()
    for name, program in (
        ("python3.10", OLD.format(python=sys.executable)),
        ("python", NEW.format(python=sys.executable)),
    ):
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    # The make that runs the tests is not to tell this one what to do.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments, ".venv/local.stamp"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("python", "said"), [("./python3.10", "Python 3.10.14"), ("./no-such-python", "not found")])
def test_a_python_that_is_not_supported_is_refused_before_anything_is_made(
    folder: Path, python: str, said: str
) -> None:
    status, told = make(folder, f"PYTHON={python}")

    assert status == 2
    assert f"PYTHON is {python}, which is" in told
    assert said in told
    assert "Python 3.11, 3.12 or 3.13 is needed" in told
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("what", ["moved", "old", "gone"])
def test_an_environment_that_cannot_be_used_is_not_taken_for_made(folder: Path, what: str) -> None:
    _environment(folder, what)
    assert "-m venv .venv" in make(folder, "--dry-run", f"PYTHON={sys.executable}")[1]


def test_it_is_made_anew_once_and_then_left_alone(folder: Path) -> None:
    _environment(folder, "moved")
    status, told = make(folder, "PYTHON=./python")
    assert status == 0, told
    assert f" {folder.resolve()}/.venv\n" in (folder / ".venv/pyvenv.cfg").read_text()
    assert make(folder)[1] == "make: '.venv/local.stamp' is up to date.\n"
    assert "is up to date" in make(folder, "PYTHON=./python")[1]
    # Another version that is asked for is another environment.
    other = folder / "python3.99"
    other.write_text(f'#!/bin/sh\ncase "$2" in *print*) echo 3.99 ;; *) exec {sys.executable} "$@" ;; esac\n')
    other.chmod(0o755)
    assert "-m venv .venv" in make(folder, "--dry-run", "PYTHON=./python3.99")[1]


def _environment(folder: Path, what: str) -> None:
    """An environment that was made once, as its stamp says, and cannot be used any more."""
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    there = {"moved": Path(sys.executable), "old": folder / "python3.10", "gone": folder / "python3.9"}
    (programs / "python").symlink_to(there[what])
    (programs / "pip").touch()
    made = folder / ".venv" if what != "moved" else "/elsewhere/.venv"
    (folder / ".venv/pyvenv.cfg").write_text(f"command = {sys.executable} -m venv {made}\n")
    (folder / ".venv/local.stamp").touch()
