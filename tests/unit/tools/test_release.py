"""A release is made where tag, version and change log agree, and nowhere else."""

import subprocess
import sys

import pytest

from tests.support.stack import ROOT
from tools.release import ReleaseError, notes
from web.settings import VERSION

CHANGES = "# Changes\n\n## Unreleased\n\n## 1.2.0 (2026-11-30)\n\n- New.\n\n## 1.1.0 (2026-10-01)\n\n- Old.\n"


def test_the_notes_are_the_versions_own_section() -> None:
    assert notes("v1.2.0", "1.2.0", CHANGES) == "- New.\n"
    assert notes("v1.1.0", "1.1.0", CHANGES) == "- Old.\n"


@pytest.mark.parametrize(
    ("tag", "changes", "said"),
    [
        ("v1.2.1", CHANGES, "the tag is v1.2.1 and the version 1.2.0"),
        ("1.2.0", CHANGES, "the tag is 1.2.0 and the version 1.2.0"),
        ("v1.2.0", CHANGES.replace("Unreleased\n", "Unreleased\n\n- More.\n"), 'changes under "Unreleased"'),
        ("v1.2.0", CHANGES.replace("(2026-11-30)", "(not yet released)"), "says nothing under"),
        ("v1.2.0", CHANGES.replace("- New.", ""), "says nothing under"),
        ("v1.2.0", CHANGES.replace("1.2.0", "1.20"), "says nothing under"),
    ],
)
def test_what_does_not_agree_is_refused_with_the_way_out(tag: str, changes: str, said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        notes(tag, "1.2.0", changes)


def test_the_command_says_in_one_line_what_is_wrong() -> None:
    command = [sys.executable, "-m", "tools.release", "v0.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tools.release: the tag is v0.0.0 and the version {VERSION}")
    assert done.stderr.count("\n") == 1
