"""Calls of stores, repeated while a store is unavailable, and progress bars for many of them."""

import sys
import time
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from tqdm import tqdm

from tuning.errors import StoreUnavailableError

ATTEMPTS = 8  # of a call to a store that is unavailable

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


def patiently(
    call: Callable[_Parameters, _Answer], *arguments: _Parameters.args, **named: _Parameters.kwargs
) -> _Answer:
    """Call a store up to ATTEMPTS times, waiting between them as long as the store asks for.

    Raises:
        StoreUnavailableError: it was still unavailable at the last attempt.
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
