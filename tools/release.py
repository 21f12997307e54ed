"""Checks a release and prints its notes: tag, version and change log must agree.

The workflow `release` runs it, after the tests and the images. It writes only the notes, to standard output. If tag,
version and change log do not agree, it ends with status 1 and a line on standard error.
"""

import argparse
import re
import sys
from pathlib import Path

from web.settings import VERSION

CHANGES = Path(__file__).resolve().parents[1] / "CHANGELOG.md"

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class ReleaseError(Exception):
    """The release cannot be made; the message says what to do first."""


def notes(tag: str, version: str, changes: str) -> str:
    """Return the notes of a release: the section of the change log `changes` that is headed `## <version> (<date>)`.

    Raises:
        ReleaseError: the tag is not the version's, or the change log has no dated section of it, or still has changes
            that are in no version.
    """
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag is {tag} and the version {version}: set VERSION in layers/web/python/web/settings.py"
        )
    _, *parts = _HEADING.split(changes)
    sections: dict[str, str] = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    if sections.get("Unreleased"):
        raise ReleaseError(f'CHANGELOG.md has changes under "Unreleased": move them under "## {version} (YYYY-MM-DD)"')
    for heading, text in sections.items():
        if re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d{{2}}-\d{{2}}\)", heading) and text:
            return text + "\n"
    raise ReleaseError(f'CHANGELOG.md says nothing under "## {version} (YYYY-MM-DD)"')


def main() -> int:
    """Print the notes of the release that a tag names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__.partition("\n")[0])
    parser.add_argument("tag", help=f"the tag of the release; that of this version is v{VERSION}")
    try:
        print(notes(parser.parse_args().tag, VERSION, CHANGES.read_text(encoding="utf-8")), end="")
    except ReleaseError as error:
        print(f"tools.release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
