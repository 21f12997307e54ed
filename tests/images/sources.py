"""The repository's own files: those that git keeps, or would if they were added."""

import subprocess
from pathlib import Path

from tests.support.stack import ROOT


def sources(folder: str) -> set[str]:
    """The files under `folder`, relative to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {str(Path(line).relative_to(folder)) for line in done.stdout.splitlines()}
