"""Validation: where callers' input becomes values, or is refused with everything that is wrong with it.

It accepts what published clients send (numbers as strings included) and names each wrong field with its place. A value
that single precision has moved off the grid of what is suggested is put back; any other legal one is kept exactly as
given, and only suggestions are rounded. It asks no store; which mode a result without one belongs to is decided in
`tuning.update`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from tuning.errors import InvalidField, InvalidRequestError, Location, Root
from tuning.observations import MAX_POSITION, MAX_RATING, MIN_RATING, Setting
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

MAX_COUNT = 10  # suggestions in one request
MAX_RESULTS = 1_000
MAX_SUGGESTION_ID_LENGTH = 64
KEY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
MAX_PAGE = 200  # ratings on one page of the history
MAX_INVALID_FIELDS = 1_000  # reported of one request, so that no request makes its own answer too large to send

# Clients compute their numbers, many in single precision: 0.3 may arrive as 0.30000001192092896, and 0.5 as
# 0.5000000000000001. What lies within so much of a value that can be suggested, as a share of it, is that value; near
# zero, as a share of a step.
_SINGLE_PRECISION = 2.0**-23
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MAX_NUMERAL_LENGTH = 64
_MAX_QUOTED_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Result:
    """One valid entry of an update, before its mode is settled."""

    setting: Setting
    rating: float
    suggestion_id: str | None
    mode: str | None


def parse_results(results: object, spaces: Spaces) -> tuple[Result, ...]:
    """Validate the results of one update.

    Each result is a mapping with `parameters` (`api` and that API's parameters, all of them and no others), `rating`
    (1 to 5) and optionally `suggestion_id` and `mode`; other fields are ignored. Numbers may be decimal strings.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is, up to MAX_INVALID_FIELDS.
    """
    if isinstance(results, str | bytes) or not isinstance(results, Sequence):
        raise InvalidRequestError((InvalidField(("results",), f"must be a list, not {quote(results)}"),))
    if not 1 <= len(results) <= MAX_RESULTS:
        message = f"must have 1 to {MAX_RESULTS:,} entries, not {len(results):,}"
        raise InvalidRequestError((InvalidField(("results",), message),))
    invalid: list[InvalidField] = []
    parsed = [_parse_result(raw, ("results", index), spaces, invalid) for index, raw in enumerate(results)]
    if invalid:
        raise InvalidRequestError(_capped(invalid, ("results",)))
    return tuple(result for result in parsed if result is not None)


def validate_request(spaces: Spaces, mode: object, count: object) -> Mode:
    """Return the mode of a request for `count` suggestions.

    Raises:
        InvalidRequestError: there is no such mode, or the count is not from 1 to MAX_COUNT.
    """
    invalid: list[InvalidField] = []
    space = _find_mode(mode, ("mode",), spaces, invalid)
    invalid.extend(_judge_count(count, ("num_suggestions",)))
    if space is None or invalid:
        raise InvalidRequestError(tuple(invalid))
    return space


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
        raise InvalidRequestError(_capped(invalid, ("fixed",)))
    return Fixed(tuple(api.name for api in left), tuple(values.items()))


def validate_mode(spaces: Spaces, mode: object) -> Mode:
    """Return the mode that a query names.

    Raises:
        InvalidRequestError: there is no such mode.
    """
    invalid: list[InvalidField] = []
    space = _find_mode(mode, ("mode",), spaces, invalid, root="query")
    if space is None:
        raise InvalidRequestError(tuple(invalid))
    return space


def validate_count(count: object, at: Location) -> None:
    """Check that a number of suggestions is a whole one from 1 to MAX_COUNT.

    Raises:
        InvalidRequestError: it is not; the field is `at`.
    """
    if invalid := _judge_count(count, at):
        raise InvalidRequestError(invalid)


def validate_limit(limit: object) -> None:
    """Check that the length of a page is a whole number from 1 to MAX_PAGE.

    Raises:
        InvalidRequestError: it is not.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError((InvalidField(("limit",), f"must be a whole number from 1 to {MAX_PAGE}", "query"),))


def parse_cursor(cursor: str | None) -> int:
    """Return the position before which a page begins; None, which is the first page, gives MAX_POSITION.

    Raises:
        InvalidRequestError: no page gave this cursor.
    """
    if cursor is None:
        return MAX_POSITION
    numeral = cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(MAX_POSITION))
    if not numeral or int(cursor) > MAX_POSITION:
        raise InvalidRequestError((InvalidField(("cursor",), "is not one that an earlier page gave", "query"),))
    return int(cursor)


def validate_key(key: object) -> str | None:
    """Return an idempotency key; None if there is none.

    Raises:
        InvalidRequestError: it is not a text of 1 to MAX_KEY_LENGTH printable characters.
    """
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        message = f"must be a text of 1 to {MAX_KEY_LENGTH} printable characters"
        raise InvalidRequestError((InvalidField((KEY_HEADER,), message, root="header"),))
    return key


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


def _judge_count(count: object, at: Location) -> tuple[InvalidField, ...]:
    if type(count) is int and 1 <= count <= MAX_COUNT:
        return ()
    return (InvalidField(at, f"must be a whole number from 1 to {MAX_COUNT}"),)


def _find_mode(
    raw: object, at: Location, spaces: Spaces, invalid: list[InvalidField], *, root: Root = "body"
) -> Mode | None:
    """Return the mode of that name; None, and one invalid field more, if there is none."""
    mode = spaces.find_mode(raw)
    if mode is None:
        names = ", ".join(known.name for known in spaces.modes)
        invalid.append(InvalidField(at, f"must be one of {names}, not {quote(raw)}", root))
    return mode


def _numeral(number: Real) -> str:
    try:
        return f"{float(number):.17g}"
    except OverflowError:
        return "a number too large to tell"


def _parse_result(raw: object, at: Location, spaces: Spaces, invalid: list[InvalidField]) -> Result | None:
    if not isinstance(raw, Mapping):
        invalid.append(InvalidField(at, f"must be an object, not {quote(raw)}"))
        return None
    before = len(invalid)
    mode = None if raw.get("mode") is None else _find_mode(raw["mode"], (*at, "mode"), spaces, invalid)
    suggestion_id = _parse_suggestion_id(raw.get("suggestion_id"), (*at, "suggestion_id"), invalid)
    setting = _parse_setting(raw, at, spaces, mode, invalid)
    rating = _parse_rating(raw, (*at, "rating"), invalid)
    if len(invalid) > before or setting is None or rating is None:
        return None
    return Result(setting, rating, suggestion_id, mode.name if mode else None)


def _parse_suggestion_id(raw: object, at: Location, invalid: list[InvalidField]) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not 1 <= len(raw) <= MAX_SUGGESTION_ID_LENGTH or not raw.isprintable():
        invalid.append(InvalidField(at, f"must be a text of 1 to {MAX_SUGGESTION_ID_LENGTH} printable characters"))
        return None
    return raw


def _parse_rating(raw: Mapping[str, object], at: Location, invalid: list[InvalidField]) -> float | None:
    if "rating" not in raw:
        invalid.append(InvalidField(at, "is missing"))
        return None
    try:
        rating = parse_number(raw["rating"])
    except ValueError as error:
        invalid.append(InvalidField(at, str(error)))
        return None
    if not MIN_RATING <= rating <= MAX_RATING:
        invalid.append(InvalidField(at, f"must lie within {MIN_RATING:g} to {MAX_RATING:g}, not {rating:g}"))
        return None
    return rating


def _parse_setting(
    raw: Mapping[str, object], at: Location, spaces: Spaces, mode: Mode | None, invalid: list[InvalidField]
) -> Setting | None:
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


def _capped(invalid: list[InvalidField], at: Location) -> tuple[InvalidField, ...]:
    if len(invalid) <= MAX_INVALID_FIELDS:
        return tuple(invalid)
    hidden = len(invalid) - (MAX_INVALID_FIELDS - 1)
    return (*invalid[: MAX_INVALID_FIELDS - 1], InvalidField(at, f"and {hidden:,} more problems"))
