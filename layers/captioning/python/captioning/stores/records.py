"""Captions and outcomes from stored rows, whose values may have any type if a row is damaged.

Every function raises ValueError with what is wrong, for a value that no store writes; the stores add the row's key.
"""

import re
from collections.abc import Sequence

from captioning.caption import Alternative, Caption
from captioning.outcomes import Outcome

_SEQUENCER = re.compile(r"[0-9A-F]+")
_MAX_CONFIDENCE = 1 + 1e-6  # rounding may take a mean of probabilities beyond 1
_SHOWN = 60  # characters of a damaged value in an error's text


def load_caption(text: object, confidence: object, model_version: object, alternatives: object = ()) -> Caption:
    """Make a caption; `alternatives` are pairs of a text and a confidence.

    Raises:
        ValueError: a value is not of its type or range.
    """
    if not isinstance(alternatives, list | tuple):
        raise ValueError(f"{_short(alternatives)} is not a list of alternatives")  # noqa: TRY004 - one error for all
    others = []
    for entry in alternatives:
        if not isinstance(entry, list | tuple) or len(entry) != 2:  # noqa: PLR2004 - a pair
            raise ValueError(f"{_short(entry)} is not an alternative")
        others.append(Alternative(_text(entry[0], "a caption"), _confidence(entry[1])))
    version = _text(model_version, "a model's version")
    return Caption(_text(text, "a caption"), _confidence(confidence), version, tuple(others))


def load_outcome(key: object, sequencer: object, reason: object, made: Sequence[object]) -> Outcome:
    """Make an outcome; `made` is the caption's text, confidence and model version, each None if there is no caption.

    Raises:
        ValueError: a value is not of its type or range, or there is a caption and a reason.
    """
    order = _text(sequencer, "a sequencer")
    if not _SEQUENCER.fullmatch(order):
        raise ValueError(f"{_short(order)} is not a sequencer")
    name = _text(key, "a key")
    if all(value is None for value in made):
        return Outcome(name, order, reason=None if reason is None else _text(reason, "a reason"))
    if reason is not None:
        raise ValueError("it has a caption and a reason why it has none")
    return Outcome(name, order, caption=load_caption(*made))


def _text(stored: object, what: str) -> str:
    if not isinstance(stored, str):
        raise ValueError(f"{_short(stored)} is not {what}")  # noqa: TRY004 - one error for all
    return stored


def _confidence(stored: object) -> float:
    if isinstance(stored, bool) or not isinstance(stored, int | float) or not 0 <= stored <= _MAX_CONFIDENCE:
        raise ValueError(f"{_short(stored)} is not a confidence from 0 to 1")
    return float(stored)


def _short(stored: object) -> str:
    text = repr(stored[:_SHOWN] if isinstance(stored, str | bytes) else stored)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
