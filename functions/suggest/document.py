"""The OpenAPI document: the committed one, adapted to the search space in use.

The committed document (`make openapi`) describes the shipped space. For a team's own space, its descriptions and
examples of modes, APIs and parameters are replaced; the shapes are the same in any space, and nothing else changes.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from functions.suggest.messages import EXAMPLE, FIXED, MODE, MODES, PARAMETERS
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Parameter, Spaces

_COMMITTED = Path(__file__).with_name("openapi.json")


@cache
def document(own: Spaces | None) -> bytes:
    """Return the document as JSON; `own` is the search space in use, None for the shipped one."""
    committed = _COMMITTED.read_bytes()
    if own is None:
        return committed
    words: list[tuple[object, object]] = [
        (PARAMETERS, f"`api` and the parameters of that API: {'; '.join(map(_describe_api, own.apis))}"),
        (EXAMPLE, own.example),
        (FIXED, dict(list(own.example.items())[: len(FIXED)])),
        (MODES, f"the search problem: {_listed([f'`{mode.name}`' for mode in own.modes], 'or')}"),
        (MODE, own.default_mode),
    ]
    return json.dumps(_reworded(json.loads(committed), words), ensure_ascii=False).encode()


def _reworded(node: Any, words: list[tuple[object, object]]) -> Any:
    for shipped, own in words:
        if node == shipped:
            return own
    if isinstance(node, dict):
        return {name: _reworded(member, words) for name, member in node.items()}
    if isinstance(node, list):
        return [_reworded(member, words) for member in node]
    return node


def _describe_api(api: Api) -> str:
    parameters = [f"{parameter.name} ({_describe_values(parameter)})" for parameter in api.parameters]
    return f"`{api.name}` has {_listed(parameters, 'and')}"


def _describe_values(parameter: Parameter) -> str:
    if isinstance(parameter, CategoricalParameter):
        return _listed([f"`{choice}`" for choice in parameter.choices], "or")
    whole = "a whole number, " if isinstance(parameter, IntegerParameter) else ""
    return f"{whole}{parameter.low:.10g} to {parameter.high:.10g}"


def _listed(names: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
