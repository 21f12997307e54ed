"""What a benchmark was measured on, in the words that every page uses."""

import os
import platform


def describe() -> str:
    """Python's version, the system, the kind of processor and how many."""
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
