"""Settings as callers write them: an API and its parameters, judged by the search space."""

import math
import re
from collections.abc import Iterator, Mapping
from numbers import Real

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError, Location
from tuning.observations import Setting
from tuning.spaces import (
    Api,
    CategoricalParameter,
    Fixed,
    IntegerParameter,
    Mode,
    Parameter,
    RealParameter,
    Spaces,
    Value,
)
from tuning.validation.fields import capped_fields

# Clients compute their numbers, many in single precision: 0.3 may arrive as 0.30000001192092896, and 0.5 as
# 0.5000000000000001. What lies within so much of a value that can be suggested, as a share of it, is that value; near
# zero, as a share of a step.
_SINGLE_PRECISION = 2.0**-23
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


def parse_fixed(raw: object, mode: Mode) -> Fixed | None:
    """Return what a request wants all its suggestions to have: an `api`, parameters of given values, or both.

    The values must be ones that can be suggested; numbers may be decimal strings. APIs of the mode that lack one of the
    parameters, or cannot take its value, are left out. None asks for nothing.

    Raises:
        InvalidRequestError: anything is wrong, or no API has it all; it lists every field that is.
    """
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not raw:
        found = "an empty one" if isinstance(raw, Mapping) else quote(raw)
        message = f"must be an object with an api, parameters or both, not {found}"
        raise InvalidRequestError((InvalidField(("fixed",), message),))
    invalid: list[InvalidField] = []
    apis = _fixed_apis(raw, mode, invalid)
    values: dict[str, Value] = {}
    left = apis
    for name in raw:
        if name == "api":
            continue
        taken = _fixed_values(raw, name, apis, mode, invalid)
        if taken:
            values[name] = next(iter(taken.values()))
            left = tuple(api for api in left if taken.get(api.name) == values[name])
    if not invalid and not left:
        named = ", ".join(f"{name} {value}" for name, value in values.items())
        invalid.append(InvalidField(("fixed",), f"no API takes all of these together: {named}; {_parameters_of(apis)}"))
    if invalid:
        raise InvalidRequestError(capped_fields(invalid, ("fixed",)))
    return Fixed(tuple(api.name for api in left), tuple(values.items()))


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
        raise ValueError(f"must be a whole number, not {quote(value)}; the nearest is {parameter.snap(value)}")
    if isinstance(parameter, RealParameter):
        value = _unrounded(value, parameter)
    if not parameter.low <= value <= parameter.high:
        raise ValueError(f"must lie within {parameter.low:g} to {parameter.high:g}, not {quote(value)}")
    return int(value) if isinstance(parameter, IntegerParameter) else value


def _unrounded(value: float, parameter: RealParameter) -> float:
    """Return the value that can be suggested of which rounding to single precision may have made this one, or this."""
    nearest = parameter.snap(value)
    rounding = _SINGLE_PRECISION * max(abs(value), 10.0**-parameter.decimals)
    return nearest if abs(value - nearest) <= rounding else value


def _fixed_apis(raw: Mapping[str, object], mode: Mode, invalid: list[InvalidField]) -> tuple[Api, ...]:
    """Return the APIs among which the fixed one leaves a choice: all, and one invalid field more, if it is none."""
    if "api" not in raw:
        return mode.apis
    api = mode.find_api(raw["api"])
    if api is None:
        names = ", ".join(known.name for known in mode.apis)
        invalid.append(InvalidField(("fixed", "api"), f"must be one of {names}, not {quote(raw['api'])}"))
        return mode.apis
    return (api,)


def _fixed_values(
    raw: Mapping[str, object], name: str, apis: tuple[Api, ...], mode: Mode, invalid: list[InvalidField]
) -> dict[str, Value]:
    """Return a parameter's fixed value by each API that can take it; none, and one invalid field more, if none can."""
    values: dict[str, Value] = {}
    problems: dict[str, str] = {}
    for api in apis:
        parameter = api.find_parameter(name)
        if parameter is not None:
            try:
                values[api.name] = _suggestible(raw[name], parameter)
            except ValueError as error:
                problems[api.name] = str(error)
    if not values:
        owners = [api.name for api in mode.apis if api.find_parameter(name)]
        if not problems:
            message = f"{f'belongs to {owners[0]}' if owners else 'is not known'}; {_parameters_of(apis)}"
        elif len(set(problems.values())) == 1:
            message = next(iter(problems.values()))
        else:
            message = "; ".join(f"{api}: {problem}" for api, problem in problems.items())
        invalid.append(InvalidField(("fixed", _printable(name)), message))
    return values


def _suggestible(raw: object, parameter: Parameter) -> Value:
    if isinstance(parameter, CategoricalParameter):
        return _parse_choice(raw, parameter)
    value = _within(raw, parameter)
    nearest = parameter.snap(value)
    if isinstance(parameter, RealParameter) and value != nearest:
        raise ValueError(f"is suggested in steps of {10.0**-parameter.decimals:g}: the nearest to {value} is {nearest}")
    return nearest


def _parameters_of(apis: tuple[Api, ...]) -> str:
    return "; ".join(f"{api.name} takes {', '.join(parameter.name for parameter in api.parameters)}" for api in apis)


def _printable(name: object) -> str:
    """Return a caller's name for a location, cut short."""
    # JSON can smuggle in half a surrogate pair, which no answer could be encoded with.
    return str(name)[:_MAX_QUOTED_LENGTH].encode(errors="replace").decode()


def _foreign_parameters(
    parameters: Mapping[str, object], at: Location, api: Api, spaces: Spaces
) -> Iterator[InvalidField]:
    owners = {parameter.name: other.name for other in spaces.apis for parameter in other.parameters}
    for name in parameters:
        if name != "api" and api.find_parameter(name) is None:
            owner = f"belongs to {owners[name]}" if name in owners else "is not known"
            yield InvalidField((*at, _printable(name)), f"{owner}; {_parameters_of((api,))}")
