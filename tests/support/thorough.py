"""How much a test does that could go on for ever: some in every run, and in `make thorough` many times as much."""

import os

TIMES = int(os.environ.get("THOROUGH", "1"))
"""How many times as much as in an ordinary run."""


def examples(few: int) -> int:
    """How many random cases, rounds or crashes to try, of which an ordinary run tries `few`."""
    return few * TIMES
