"""What the pages for contributors say is there: make targets, folders, environments, programs."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.support.stack import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*|\.venv[a-z-]*/[a-z]+\.?stamp):", MAKEFILE, re.MULTILINE))
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "README.md", "README.es.md", ".github/pull_request_template.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def made(text: str) -> set[str]:
    """The targets that a text says to make."""
    commands = [*re.findall(r"`(make [^`]*)`", text), *re.findall(r"^(make .*)$", text, re.MULTILINE)]
    return {word for command in commands for word in command.split()[1:] if not re.search(r"[A-Z#]|\.\.\.", word)}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_make_can_be_made(page: str) -> None:
    named = made((ROOT / page).read_text())
    assert named, page
    assert named <= TARGETS


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_folders_and_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`([a-z.][a-z_./-]*(?:/|\.(?:py|yaml|toml|in)))`", text))
    assert named
    for name in named:
        assert (ROOT / name).exists() or list(ROOT.glob(f"**/{name}")), name


def test_every_folder_of_tests_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    holding = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/test_*.py")}
    assert {*holding, "support"} == set(
        re.findall(r"`tests/([a-z]+)/`", text.partition("## Tests")[2].partition("## ")[0])
    )


def test_what_runs_before_a_commit_is_what_the_tests_install() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    locked = (ROOT / "requirements-dev.txt").read_text()
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, first = [*hook["entry"].split(), ""][:2]
        if program == "make":
            assert first in TARGETS
        else:
            assert re.search(rf"^{program.removeprefix('.venv/bin/')}==", locked, re.MULTILINE), program


def test_the_container_for_development_has_a_python_that_is_supported() -> None:
    container: dict[str, Any] = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    version = re.search(r"python:(\d\.\d+)-", container["image"])
    assert version
    assert f"Programming Language :: Python :: {version[1]}" in PROJECT["project"]["classifiers"]
    assert container["postCreateCommand"].removeprefix("make ") in TARGETS


def test_lines_are_as_long_everywhere() -> None:
    editor = (ROOT / ".editorconfig").read_text()
    assert f"max_line_length = {PROJECT['tool']['ruff']['line-length']}" in editor


def test_every_layer_is_measured() -> None:
    layers = {str(path.relative_to(ROOT)) for path in ROOT.glob("layers/*/python")}
    measured = PROJECT["tool"]["coverage"]["run"]["source_dirs"]
    assert {*layers, "functions", "local", "tools"} == set(measured)
