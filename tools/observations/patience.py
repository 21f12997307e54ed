"""Calls of stores that may be away for a while, and bars that say how far a long row of calls is."""

import sys
import time
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from tqdm import tqdm

from tuning.errors import StoreUnavailableError

ATTEMPTS = 8  # of a call to a store that is not available

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


def patiently(
    call: Callable[_Parameters, _Answer], *arguments: _Parameters.args, **named: _Parameters.kwargs
) -> _Answer:
    """Call a store up to ATTEMPTS times, waiting as long as it says in between.

    Raises:
        StoreUnavailableError: it was not available at the last time either.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return call(*arguments, **named)
        except StoreUnavailableError as error:
            tqdm.write(f"waiting: {error}", file=sys.stderr)
            time.sleep(error.retry_after)
    return call(*arguments, **named)


def bar(total: int, doing: str, unit: str = "records") -> "tqdm[NoReturn]":
    """Return a bar on standard error where that is a terminal."""
    return tqdm(total=total, desc=doing, unit=f" {unit}", disable=None, leave=False, dynamic_ncols=True)
