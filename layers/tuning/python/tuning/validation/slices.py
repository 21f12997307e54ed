"""What is asked for of slices through the posterior: which parameters, of which APIs, through what, how fine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError
from tuning.spaces import Api, Mode, Spaces, Value
from tuning.validation.fields import nearest_field
from tuning.validation.requests import find_mode
from tuning.validation.settings import parse_fixed

MAX_PARAMETERS = 2
MIN_POINTS = 2
MAX_POINTS = {1: 101, 2: 33}  # along each parameter, by how many there are
DEFAULT_POINTS = {1: 41, 2: 17}

_QUERY = ("study", "mode", "api", "parameter", "fixed", "points")  # what the call itself takes


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """A valid request. `along` has, by each API that has a slice, the names of the parameters that it is along.

    `fixed` are the values that hold parameters still, and `points` is how many values along each parameter.
    """

    mode: Mode
    along: Mapping[str, tuple[str, ...]]
    fixed: tuple[tuple[str, Value], ...]
    points: int


def parse_slice(asked: Mapping[str, object], spaces: Spaces) -> SliceRequest:
    """Validate a request: `mode`, `api`, `parameters` (one name or two), `fixed` (values by name), `points`.

    None, or nothing, in `mode` is the default mode, in `api` every API that has the parameters, in `fixed` nothing, in
    `points` DEFAULT_POINTS. Every value that is fixed must be one that can be suggested; those of numbers may be texts.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is, all of the query.
    """
    invalid: list[InvalidField] = []
    default = spaces.default_mode
    mode = find_mode(default if asked.get("mode") is None else asked["mode"], ("mode",), spaces, invalid, root="query")
    if mode is None:
        raise InvalidRequestError(tuple(invalid))
    apis = tuple(_apis(asked.get("api"), mode, invalid))
    along = _along(_names(asked.get("parameters"), invalid), apis, mode, invalid)
    fixed = _fixed(asked.get("fixed"), asked.get("api"), along, mode, invalid)
    points = _points(asked.get("points"), asked.get("parameters"), invalid)
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    values, named = fixed
    return SliceRequest(mode, {api: names for api, names in along.items() if api in named}, values, points)


def parse_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return what a query fixes, each text a name and a value: `guidance_scale:7.0`.

    Raises:
        InvalidRequestError: a text is no such pair, or a name stands twice.
    """
    pairs: dict[str, str] = {}
    invalid: list[InvalidField] = []
    for text in texts:
        name, colon, value = (part.strip() for part in text.partition(":"))
        if not colon or not name or not value:
            message = f"must be a name and a value, as guidance_scale:7.0, not {quote(text)}"
            invalid.append(InvalidField(("fixed",), message, "query"))
        elif name in pairs:
            invalid.append(InvalidField(("fixed",), f"has {quote(name)} twice", "query"))
        pairs[name] = value
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return pairs


def refuse_values(names: Iterable[str], spaces: Spaces) -> None:
    """Check that no parameter of a query has the name of one of an API: its value belongs to `fixed`.

    Raises:
        InvalidRequestError: some have; it lists them.
    """
    known = {parameter.name for api in spaces.apis for parameter in api.parameters} - set(_QUERY)
    invalid = [
        InvalidField((name,), f"is not known here; did you mean fixed={name}:..., or parameter={name}?", "query")
        for name in dict.fromkeys(names)
        if name in known
    ]
    if invalid:
        raise InvalidRequestError(tuple(invalid))


def _apis(raw: object, mode: Mode, invalid: list[InvalidField]) -> Iterator[Api]:
    if raw is None:
        yield from mode.apis
    elif (api := mode.find_api(raw)) is not None:
        yield api
    else:
        names = [known.name for known in mode.apis]
        near = nearest_field(str(raw), names)
        hint = f"; did you mean {near}?" if near else ""
        invalid.append(InvalidField(("api",), f"must be one of {', '.join(names)}, not {quote(raw)}{hint}", "query"))


def _names(raw: object, invalid: list[InvalidField]) -> tuple[str, ...]:
    names = (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, Sequence) else ()
    if not all(isinstance(name, str) for name in names):
        invalid.append(InvalidField(("parameter",), f"must be names of parameters, not {quote(raw)}", "query"))
        return ()
    if not 1 <= len(names) <= MAX_PARAMETERS:
        found = f"not {len(names)}" if names else "it is missing"
        invalid.append(InvalidField(("parameter",), f"must be there once or twice; {found}", "query"))
        return ()
    if len(set(names)) < len(names):
        message = f"must be two different ones, not {quote(names[0])} twice"
        invalid.append(InvalidField(("parameter",), message, "query"))
        return ()
    return names


def _along(
    names: tuple[str, ...], apis: tuple[Api, ...], mode: Mode, invalid: list[InvalidField]
) -> dict[str, tuple[str, ...]]:
    """Return the parameters of each of the APIs that the slice is along: of those names, or of their coordinates."""
    unknown = [name for name in names if not any(api.find_parameter(name) for api in apis)]
    known = list(dict.fromkeys(parameter.name for api in apis for parameter in api.parameters))
    for name in unknown if apis else ():
        owners = [api.name for api in mode.apis if api.find_parameter(name)]
        near = nearest_field(name, known)
        hint = f"belongs to {owners[0]}" if owners else f"did you mean {near}?" if near else "is not known"
        takes = "; ".join(f"{api.name} takes {', '.join(one.name for one in api.parameters)}" for api in apis)
        invalid.append(InvalidField(("parameter",), f"{quote(name)}: {hint}; {takes}", "query"))
    if unknown or not names or not apis:
        return {}
    coordinates = [next(one.coordinate for api in apis if (one := api.find_parameter(name))) for name in names]
    found: dict[str, tuple[str, ...]] = {}
    for api in apis:
        own = [_of(api, name, coordinate) for name, coordinate in zip(names, coordinates, strict=True)]
        present = tuple(name for name in own if name is not None)
        if len(set(present)) == len(names):
            found[api.name] = present
    if not found:
        together = " and ".join(names)
        sharing = len(set(coordinates)) < len(coordinates)
        why = "they share a coordinate" if sharing else "no API has both"
        invalid.append(InvalidField(("parameter",), f"there is no plane over {together}: {why}", "query"))
    return found


def _of(api: Api, name: str, coordinate: str) -> str | None:
    """Return the API's parameter of that name, or else of that coordinate."""
    if api.find_parameter(name):
        return name
    return next((parameter.name for parameter in api.parameters if parameter.coordinate == coordinate), None)


def _fixed(
    raw: object, api: object, along: Mapping[str, tuple[str, ...]], mode: Mode, invalid: list[InvalidField]
) -> tuple[tuple[tuple[str, Value], ...], frozenset[str]]:
    """Return the values that are fixed, and which of the APIs can have them."""
    if raw is None or raw == {}:
        return (), frozenset(along)
    if not isinstance(raw, Mapping):
        invalid.append(InvalidField(("fixed",), f"must be values by name, not {quote(raw)}", "query"))
        return (), frozenset()
    scanned = {name for names in along.values() for name in names}
    for name in raw:
        if name in scanned:
            message = f"is what the slice is along: leave {quote(name)} out"
            invalid.append(InvalidField(("fixed", str(name)), message, "query"))
        elif name == "api":
            invalid.append(
                InvalidField(("fixed", "api"), "is not known here; did you mean the parameter api?", "query")
            )
            return (), frozenset()
    try:
        fixed = parse_fixed({**raw, **({"api": api} if mode.find_api(api) else {})}, mode)
    except InvalidRequestError as error:
        invalid.extend(replace(field, root="query") for field in error.fields)
        return (), frozenset()
    values, apis = (fixed.values, frozenset(fixed.apis)) if fixed else ((), frozenset(along))
    if along and not apis & along.keys():
        message = f"leaves no API: of those that have it, none has {' and '.join(sorted(scanned))} as well"
        invalid.append(InvalidField(("fixed",), message, "query"))
    return values, apis


def _points(raw: object, parameters: object, invalid: list[InvalidField]) -> int:
    dimensions = len(parameters) if isinstance(parameters, Sequence) and not isinstance(parameters, str) else 1
    dimensions = min(max(dimensions, 1), MAX_PARAMETERS)
    if raw is None:
        return DEFAULT_POINTS[dimensions]
    most = MAX_POINTS[dimensions]
    if type(raw) is not int or not MIN_POINTS <= raw <= most:
        along = "along one parameter" if dimensions == 1 else "along each of two parameters"
        message = f"must be a whole number from {MIN_POINTS} to {most} {along}, not {quote(raw)}"
        invalid.append(InvalidField(("points",), message, "query"))
        return MIN_POINTS
    return raw
