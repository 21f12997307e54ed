"""Numbers in a query, which comes as text: taken as people write them, and refused in our words.

Python reads more as a number than people do: `1_0` is ten to it, `NaN` a number, and so are digits of other scripts.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator

from web.problems import spoken_value

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}(\.0*)?")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?")


def _whole(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"must be a whole number, not {spoken_value(value)}")
    return int(text.partition(".")[0])


def _decimal(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"must be a number, not {spoken_value(value)}")
    return float(text)


WHOLE = BeforeValidator(_whole)
"""Reads a whole number; behind a number's bounds in Annotated, so that they are the number's and not the text's."""

DECIMAL = BeforeValidator(_decimal)
"""Reads a number, whole or not; it stands behind bounds as WHOLE does."""

Whole = Annotated[int, WHOLE]
"""A whole number of a query."""
