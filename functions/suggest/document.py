"""The OpenAPI document: the committed one, adapted to the search space in use.

The committed document (`make openapi`) describes the shipped space. For a team's own space, the schemas that the space
decides are replaced, and the examples of settings with them; nothing else changes.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from functions.space_messages import EXAMPLE
from functions.suggest.messages import MODE_IF_NONE, mode_if_none
from functions.suggest.space_schemas import space_schemas
from tuning.spaces import Spaces
from tuning.validation.space_file import load_spaces

_COMMITTED = Path(__file__).with_name("openapi.json")


@cache
def document(own: Spaces | None) -> bytes:
    """Return the document as JSON; `own` is the search space in use, None for the shipped one."""
    committed = _COMMITTED.read_bytes()
    if own is None:
        return committed
    words: list[tuple[object, object]] = [
        (EXAMPLE, own.example),
        (MODE_IF_NONE, mode_if_none(own.default_mode)),
    ]
    adapted = _reworded(json.loads(committed), words)
    schemas = adapted["components"]["schemas"]
    for name in space_schemas(load_spaces()):
        del schemas[name]
    schemas.update(space_schemas(own))
    return json.dumps(adapted, ensure_ascii=False).encode()


def _reworded(node: Any, words: list[tuple[object, object]]) -> Any:
    for shipped, own in words:
        if node == shipped:
            return own
    if isinstance(node, dict):
        return {name: _reworded(member, words) for name, member in node.items()}
    if isinstance(node, list):
        return [_reworded(member, words) for member in node]
    return node
