"""The machine that a benchmark was measured on, in the words that every page uses."""

import os
import platform


def describe() -> str:
    """Return Python's version, the system, the kind of processor and the number of processors."""
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
