"""What `pip install .` gives: built here, installed into a fresh environment, and used there from another folder."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.readme import blocks
from tests.support.stack import ROOT
from web.settings import VERSION

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), ".")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel in it; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder)
    interpreter = folder / "bin" / "python"
    pip("--python", str(interpreter), "install", "--no-index", "--no-deps", str(wheel))
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def run(python: Path, script: str, folder: Path) -> str:
    """What a script prints, run where nothing of the repository is on the path."""
    done = subprocess.run(
        [str(python), "-I", "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed_by(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What a script prints. A script that both pages show is run once."""
    return cache(lambda script: run(python, script, tmp_path_factory.mktemp("elsewhere")))


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_script_in_the_readme_prints_what_it_shows(printed_by: Callable[[str], str], readme: str) -> None:
    shown_blocks = blocks(readme)
    (place,) = (index for index, (language, _) in enumerate(shown_blocks) if language == "python")
    assert shown_blocks[place - 1][1] == "pip install .\n"
    printed = printed_by(shown_blocks[place][1])
    # The last digits of a fit are the machine's own, and so may be a step of what it recommends.
    assert re.sub(r"[0-9.]+", "0", printed) == re.sub(r"[0-9.]+", "0", shown_blocks[place + 1][1])


def test_it_is_the_installed_package_and_knows_its_version(python: Path, tmp_path: Path) -> None:
    script = "import importlib.metadata as m, tuning; print(tuning.__file__, m.version('picture-tuning'))"
    file, version = run(python, script, tmp_path).split()
    assert Path(file).is_relative_to(python.parents[1])
    assert version == VERSION


def test_it_holds_its_packages_whole_and_nothing_else(wheel: Path) -> None:
    packages = [ROOT / package for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    files = {
        str(file.relative_to(package.parent))
        for package in packages
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert {"tuning/spaces.toml", "tuning/py.typed", "tuning/tuner/facade.py"} <= files
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files


def test_it_asks_for_what_the_update_function_asks_for() -> None:
    def asked(lines: list[str]) -> dict[str, Requirement]:
        wanted = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
        return {one.name: one for one in wanted}

    update = asked((ROOT / "functions/update/requirements.in").read_text().splitlines())
    ours = asked(PROJECT["project"]["dependencies"])
    assert set(ours) == {"numpy", "scikit-learn", "scikit-optimize", "scipy"} & set(update)
    extras = asked([one for some in PROJECT["project"]["optional-dependencies"].values() for one in some])
    assert {name: update[name] for name in (*ours, *extras)} == ours | extras


def test_it_is_built_by_what_the_tests_build_it_by() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    assert backend in (line.partition(" ")[0] for line in (ROOT / "requirements-dev.in").read_text().splitlines())


def test_every_layer_says_that_it_is_typed() -> None:
    for package in sorted(ROOT.glob("layers/*/python/*/__init__.py")):
        assert (package.parent / "py.typed").is_file(), package
