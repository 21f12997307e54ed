"""What the page's stage installs from npm: fetched as npm is configured here, into a cache that a build may be given.

It is kept under build/packages-of-npm/ and fetched anew when the lock changes.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.node import npm
from tests.support.stack import ROOT

_KEPT = ROOT / "build" / "packages-of-npm"
_LOCK = "package-lock.json"
_FILES = (_LOCK, "package.json", ".npmrc", "studio/package.json", "clients/typescript/package.json")
_FETCH_SECONDS = 280


class NpmError(Exception):
    """The packages cannot be had on this machine; the message says what npm says."""


def fetch() -> Path:
    """The folder of a cache with all packages of the lock for this machine. Raises NpmError."""
    held, wanted = _KEPT / _LOCK, (ROOT / _LOCK).read_text()
    if not (held.is_file() and held.read_text() == wanted):
        _KEPT.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT.parent) as scratch:
            for name in _FILES:
                (Path(scratch) / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, Path(scratch) / "tree" / name)
            new = Path(scratch) / "new"
            asked = ["ci", "--no-audit", "--ignore-scripts", "--loglevel", "error", "--cache", str(new / "cache")]
            try:
                done = subprocess.run(
                    [*npm().command, *asked],
                    cwd=Path(scratch) / "tree",
                    env=npm().environment,
                    capture_output=True,
                    text=True,
                    timeout=_FETCH_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise NpmError(f"npm did not fetch them within {_FETCH_SECONDS} s; try again") from None
            if done.returncode:
                raise NpmError(f"npm cannot fetch them: {done.stderr.strip()[-1000:]}")
            (new / _LOCK).write_text(wanted)
            shutil.rmtree(_KEPT, ignore_errors=True)
            new.rename(_KEPT)
    return _KEPT / "cache"


def registry() -> str:
    """The registry that the cache is of, by whose addresses its entries go."""
    asked = [*npm().command, "config", "get", "registry"]
    done = subprocess.run(asked, cwd=ROOT, env=npm().environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
