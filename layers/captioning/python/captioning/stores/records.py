"""Captions and outcomes from stored rows, whose values may have any type if a row is damaged.

Every function raises DocumentError with what is wrong, for a value that no store writes; the stores add the row's key.
"""

import re
from collections.abc import Sequence

from captioning.caption import Alternative, Caption
from captioning.outcomes import Outcome
from storage.documents import Node

_SEQUENCER = re.compile(r"[0-9A-F]+")
_MAX_CONFIDENCE = 1 + 1e-6  # rounding may take a mean of probabilities beyond 1


def load_caption(text: object, confidence: object, model_version: object, alternatives: object = ()) -> Caption:
    """Return a caption; `alternatives` are pairs of a text and a confidence.

    Raises:
        DocumentError: no store has written it.
    """
    pairs = [entry.entries(2) for entry in Node(alternatives, "alternatives").entries()]
    return Caption(
        Node(text, "text").text(),
        Node(confidence, "confidence").number(0, _MAX_CONFIDENCE),
        Node(model_version, "model_version").text(),
        tuple(Alternative(said.text(), sure.number(0, _MAX_CONFIDENCE)) for said, sure in pairs),
    )


def load_outcome(
    key: object, sequencer: object, reason: object, made: Sequence[object], sure: object = None
) -> Outcome:
    """Return an outcome. `made` is the caption's text, confidence and model version; with a reason, each is None.

    `sure` is 1, 0 or None.

    Raises:
        DocumentError: no store has written it.
    """
    order, name = Node(sequencer, "sequencer").text(_SEQUENCER), Node(key, "key").text()
    why = Node(reason, "reason")
    if all(value is None for value in made):
        return Outcome(name, order, reason=None if reason is None else why.text())
    if reason is not None:
        why.refuse("must be missing where there is a caption")
    certain = None if sure is None else bool(Node(sure, "sure").integer(0, 1))
    return Outcome(name, order, caption=load_caption(*made), sure=certain)
