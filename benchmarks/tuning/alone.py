"""A measurement's own process: one thread, the sources of this tree, and no warnings between its figures."""

import os
import subprocess
import sys
from pathlib import Path

# Of every library that might start threads of its own.
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)
_ROOT = Path(__file__).resolve().parents[2]
_LAYER = _ROOT / "layers" / "tuning" / "python"


class MeasurementError(Exception):
    """The process ended without a figure: its exit status, and the last line it said."""


def measure_alone(module: str, *arguments: str) -> str:
    """The last line that `python -m module` prints. Raises MeasurementError if it fails, crashes or says nothing."""
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    environment["PYTHONPATH"] = os.pathsep.join((str(_ROOT), str(_LAYER)))
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise MeasurementError(f"ended with status {done.returncode}: {said[-1]}")
    return lines[-1]
