"""Settings as callers write them: an API and its parameters, judged by the search space."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real

from tuning.errors import InvalidField, Location
from tuning.observations import Setting
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, Parameter, RealParameter, Spaces, Value

# Clients compute their numbers, so 0.5 may arrive as 0.5000000000000001. Within this share of the range a value
# counts as lying on the bound.
_BOUND_TOLERANCE = 1e-9
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MAX_NUMERAL_LENGTH = 64
_MAX_QUOTED_LENGTH = 40


def parse_number(raw: object) -> float:
    """Return the finite number that a number (of JSON or, in scripts, of NumPy) or a decimal string stands for.

    Raises:
        ValueError: it stands for none; the text says why.
    """
    if isinstance(raw, bool) or not isinstance(raw, Real | str):
        raise ValueError(f"must be a number, not {quote(raw)}")  # noqa: TRY004 - the parsers catch one error
    if isinstance(raw, str):
        numeral = raw.strip()
        if len(numeral) > _MAX_NUMERAL_LENGTH or not _NUMBER.fullmatch(numeral):
            raise ValueError(f"must be a number, not {quote(raw)}")
        raw = numeral
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def quote(value: object) -> str:
    """Return a caller's value as JSON would name it, cut short, for error messages."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    if not isinstance(value, Real | str):
        return f"a value of type {type(value).__name__}"
    # Cut before formatting: the text of a huge string or integer is not worth making.
    text = repr(value[: _MAX_QUOTED_LENGTH + 1]) if isinstance(value, str) else _numeral(value)
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}…"


def _numeral(number: Real) -> str:
    try:
        return f"{float(number):.17g}"
    except OverflowError:
        return "a number too large to tell"


def parse_setting(
    raw: Mapping[str, object], at: Location, spaces: Spaces, mode: Mode | None, invalid: list[InvalidField]
) -> Setting | None:
    """Return the setting in the `parameters` of the result at `at`; None, and invalid fields more, if it is none."""
    at = (*at, "parameters")
    parameters = raw.get("parameters")
    if not isinstance(parameters, Mapping):
        found = f"must be an object, not {quote(parameters)}" if "parameters" in raw else "is missing"
        invalid.append(InvalidField(at, found))
        return None
    candidates = mode.apis if mode else spaces.apis
    api = next((api for api in candidates if api.name == parameters.get("api")), None)
    if api is None:
        names = ", ".join(api.name for api in candidates)
        found = f", not {quote(parameters['api'])}" if "api" in parameters else "; it is missing"
        invalid.append(InvalidField((*at, "api"), f"must be one of {names}{found}"))
        return None
    invalid.extend(_foreign_parameters(parameters, at, api, spaces))
    values = [(parameter.name, _parse_value(parameters, parameter, at, invalid)) for parameter in api.parameters]
    return Setting(api.name, tuple((name, value) for name, value in values if value is not None))


def _parse_value(
    parameters: Mapping[str, object], parameter: Parameter, at: Location, invalid: list[InvalidField]
) -> Value | None:
    at = (*at, parameter.name)
    if parameter.name not in parameters:
        invalid.append(InvalidField(at, "is missing"))
        return None
    raw = parameters[parameter.name]
    try:
        return _parse_choice(raw, parameter) if isinstance(parameter, CategoricalParameter) else _within(raw, parameter)
    except ValueError as error:
        invalid.append(InvalidField(at, str(error)))
        return None


def _parse_choice(raw: object, parameter: CategoricalParameter) -> str:
    if not isinstance(raw, str) or raw not in parameter.choices:
        raise ValueError(f"must be one of {', '.join(parameter.choices)}, not {quote(raw)}")
    return str(raw)


def _within(raw: object, parameter: RealParameter | IntegerParameter) -> float | int:
    value = parse_number(raw)
    if isinstance(parameter, IntegerParameter) and not value.is_integer():
        raise ValueError(f"must be a whole number, not {quote(value)}")
    if not -_BOUND_TOLERANCE <= parameter.scale(value) <= 1 + _BOUND_TOLERANCE:
        raise ValueError(f"must lie within {parameter.low:g} to {parameter.high:g}, not {quote(value)}")
    return int(value) if isinstance(parameter, IntegerParameter) else value


def _foreign_parameters(
    parameters: Mapping[str, object], at: Location, api: Api, spaces: Spaces
) -> Iterator[InvalidField]:
    names = [parameter.name for parameter in api.parameters]
    owners = {parameter.name: other.name for other in spaces.apis for parameter in other.parameters}
    for name in parameters:
        if name != "api" and name not in names:
            # JSON can smuggle in half a surrogate pair, which no answer could be encoded with.
            place = (*at, str(name)[:_MAX_QUOTED_LENGTH].encode(errors="replace").decode())
            owner = f"belongs to {owners[name]}" if name in owners else "is not known"
            yield InvalidField(place, f"{owner}; {api.name} takes {', '.join(names)}")
