"""The wheels that the images install, for a Lambda of either architecture, fetched as pip is configured here.

They are kept under build/wheels/ and fetched anew when a pin changes. Nothing here says whether they would run there.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.stack import ROOT

ARCHITECTURES = ("x86_64", "aarch64")
FUNCTIONS = tuple(ROOT / "functions" / name / "requirements.txt" for name in ("suggest", "update", "caption"))
GLIBC = (2, 34)
"""The C library of Amazon Linux 2023, on which AWS's image stands."""

_WHEELS = ROOT / "build" / "wheels"
_PYTHON = "3.13"
_FETCH_SECONDS = 280


class WheelsMissingError(Exception):
    """The wheels cannot be had on this machine; the message says what pip says."""


def pins(lock: Path, architecture: str) -> tuple[str, ...]:
    """The lines of a lock file that hold for a Lambda: `name==version --hash=sha256:... --hash=...`."""
    there = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{_PYTHON}.0",
        "python_version": _PYTHON,
        "sys_platform": "linux",
    }
    found = []
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        if line and not line.lstrip().startswith("#"):
            text, *hashes = line.split("--hash=")
            pin = Requirement(text)
            if pin.marker is None or pin.marker.evaluate(there):
                found.append(" --hash=".join([f"{pin.name}{pin.specifier}", *(one.strip() for one in hashes)]))
    return tuple(found)


def fetch(architecture: str, locks: tuple[Path, ...] = FUNCTIONS, *, keep: str = "functions") -> tuple[Path, ...]:
    """The wheels of all pins of `locks`, which are kept under the name `keep`. Raises WheelsMissingError."""
    wanted = "\n".join(sorted({pin for lock in locks for pin in pins(lock, architecture)}))
    folder = _WHEELS / f"{keep}-{architecture}"
    held = folder / "pins.txt"
    if not (held.is_file() and held.read_text() == wanted):
        _WHEELS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_WHEELS) as scratch:
            new = Path(scratch) / folder.name
            new.mkdir()
            (new / held.name).write_text(wanted)
            _download(new, new / held.name, architecture)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    return tuple(sorted(folder.glob("*.whl")))


def _download(folder: Path, pins_file: Path, architecture: str) -> None:
    # Of a platform that is named pip takes no older ones, though their wheels run there: they are all named.
    platforms = [f"manylinux_{GLIBC[0]}_{minor}_{architecture}" for minor in range(GLIBC[1], 4, -1)]
    platforms.append(f"manylinux2014_{architecture}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", _PYTHON]
    command += [part for platform in platforms for part in ("--platform", platform)]
    command += ["--dest", str(folder), "--requirement", str(pins_file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise WheelsMissingError(f"pip did not fetch them within {_FETCH_SECONDS} s; try again") from None
    if done.returncode:
        raise WheelsMissingError(f"pip cannot fetch them: {done.stderr.strip()[-1000:]}")
