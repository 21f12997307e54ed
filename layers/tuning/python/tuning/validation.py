"""Validation: where callers' input becomes values, or is refused with everything that is wrong with it.

It accepts what published clients send (numbers as strings included) and names each wrong field with its place. It
corrects nothing: a legal value is kept exactly as given, and only suggestions are rounded. It asks no store; which mode
a result without one belongs to is decided in `tuning.update`.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError, Location, Root
from tuning.observations import MAX_POSITION, MAX_RATING, MIN_RATING, Setting
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, Parameter, RealParameter, Spaces, Value

MAX_COUNT = 10  # suggestions in one request
MAX_RESULTS = 1_000
MAX_SUGGESTION_ID_LENGTH = 64
KEY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
MAX_PAGE = 200  # ratings on one page of the history
MAX_INVALID_FIELDS = 1_000  # reported of one request, so that no request makes its own answer too large to send

# Clients compute their numbers, so 0.5 may arrive as 0.5000000000000001. Within this share of the range a value
# counts as lying on the bound.
_BOUND_TOLERANCE = 1e-9
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
        raise InvalidRequestError(_capped(invalid))
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


def _capped(invalid: list[InvalidField]) -> tuple[InvalidField, ...]:
    if len(invalid) <= MAX_INVALID_FIELDS:
        return tuple(invalid)
    hidden = len(invalid) - (MAX_INVALID_FIELDS - 1)
    return (*invalid[: MAX_INVALID_FIELDS - 1], InvalidField(("results",), f"and {hidden:,} more problems"))
