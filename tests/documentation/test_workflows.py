"""The workflows: what the project says of itself, on the Pythons that it supports, with no more rights than needed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.documentation.test_contributing import TARGETS
from tests.support.stack import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read(path: Path) -> dict[str, Any]:
    """A workflow; YAML takes its `on` for true."""
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in workflow.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


def supported() -> list[str]:
    """The Pythons that the distribution admits."""
    admitted = SpecifierSet(PROJECT["requires-python"])
    return [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in admitted]


def test_the_tests_run_on_every_python_that_is_supported() -> None:
    matrix = read(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == supported()
    said = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert said == supported()
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_makes_what_can_be_made_and_may_only_read(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 60
    for step in steps(workflow):
        for target in re.findall(r"^make (?:--\S+ )*([a-z-]+)", step.get("run", ""), re.MULTILINE):
            assert target in TARGETS
        # What somebody outside can choose (a branch's name, a title) must not become a command.
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_githubs_own_and_pinned_and_leave_no_credentials_behind(path: Path) -> None:
    for step in steps(read(path)):
        if action := step.get("uses"):
            assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", action), action
            if action.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_a_release_waits_for_the_tests_and_the_images() -> None:
    jobs = read(ROOT / ".github/workflows/release.yml")["jobs"]
    assert {jobs[name]["uses"] for name in jobs["release"]["needs"]} == {
        "./.github/workflows/test.yml",
        "./.github/workflows/images.yml",
    }
    for name in ("test.yml", "images.yml"):
        assert "workflow_call" in read(ROOT / ".github/workflows" / name)["on"]


def test_updates_are_asked_for_where_there_is_something_to_update() -> None:
    for update in yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]:
        for directory in update.get("directories", ()):
            wanted = "Dockerfile" if update["package-ecosystem"] == "docker" else "requirements*.txt"
            assert list(ROOT.glob(f"{directory}/{wanted}".lstrip("/"))), directory
