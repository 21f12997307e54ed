"""The file of a search space: read and validated once, at the start.

The space is data (`spaces.toml` is the shipped one). This module refuses a file that is wrong in any way, naming file,
table and key. What it gives is `tuning.spaces.Spaces`.
"""

import re
import tomllib
from collections.abc import Mapping, Set
from dataclasses import asdict, fields
from pathlib import Path
from typing import Never

from tuning.errors import SpaceError
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, Parameter, RealParameter, Spaces

MAX_COORDINATES = 15  # of one mode; the low-discrepancy sequence has one dimension more (tuning.model.sobol)
MAX_DECIMALS = 6
MAX_BOUND = 1e9
MIN_CHOICES, MAX_CHOICES = 2, 32
MAX_CHOICE_LENGTH = 64

_SHIPPED = Path(__file__).parents[1] / "spaces.toml"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = frozenset({"api"})

_KINDS: dict[str, type[Parameter]] = {
    "real": RealParameter,
    "integer": IntegerParameter,
    "categorical": CategoricalParameter,
}


def load_spaces(path: str | Path | None = None) -> Spaces:
    """Read and validate the search space of a file; None is the shipped one.

    Raises:
        SpaceError: the file cannot be read or is wrong; the message names the file, the table and the key.
    """
    path = Path(path or _SHIPPED)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpaceError(path, "", "", str(error)) from error
    return judge_document(document, path)


def judge_document(document: Mapping[str, object], path: Path) -> Spaces:
    """Return the search space that a file's tables hold; `path` is the file that they were read of.

    Raises:
        SpaceError: they are wrong; the message names the file, the table and the key.
    """
    return _Reader(path).read(document)


def to_document(spaces: Spaces) -> dict[str, object]:
    """Return the tables of a file that holds the search space, whose APIs of one name are one API."""
    return {
        "default_mode": spaces.default_mode,
        "modes": {mode.name: {"apis": [api.name for api in mode.apis]} for mode in spaces.modes},
        "apis": {api.name: {one.name: _to_table(one) for one in api.parameters} for api in spaces.apis},
    }


def _to_table(parameter: Parameter) -> dict[str, object]:
    kind = next(name for name, kind in _KINDS.items() if isinstance(parameter, kind))
    values = {key: value for key, value in asdict(parameter).items() if key != "name"}
    return {"kind": kind} | {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


class _Reader:
    """The validation of one file's tables, which stops at the first mistake."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kinds: dict[str, str] = {}  # of the coordinates met so far

    def read(self, document: Mapping[str, object]) -> Spaces:
        self._expect_keys("", document, {"default_mode", "modes", "apis"})
        apis = tuple(self._api(name, table) for name, table in self._tables("", "apis", document["apis"]))
        modes = tuple(self._mode(name, table, apis) for name, table in self._tables("", "modes", document["modes"]))
        default = document["default_mode"]
        if default not in [mode.name for mode in modes]:
            self._fail("", "default_mode", f"{default!r} is none of the modes")
        return Spaces(modes, default)

    def _api(self, name: str, table: Mapping[str, object]) -> Api:
        path = f"apis.{name}"
        parameters = tuple(
            self._parameter(path, key, content) for key, content in self._tables("apis", name, dict(table))
        )
        coordinates = [parameter.coordinate for parameter in parameters]
        for parameter in parameters:
            if coordinates.count(parameter.coordinate) > 1:
                where = f"{path}.{parameter.name}"
                self._fail(where, "coordinate", f"{parameter.coordinate!r} is used twice in this API")
        return Api(name, parameters)

    def _parameter(self, api: str, name: str, table: Mapping[str, object]) -> Parameter:
        path = f"{api}.{name}"
        if name in _RESERVED:
            self._fail(path, "", "this name is reserved")
        kind = table.get("kind", "real")
        if not isinstance(kind, str) or kind not in _KINDS:
            self._fail(path, "kind", f"must be one of {', '.join(_KINDS)}, not {kind!r}")
        own = {field.name for field in fields(_KINDS[kind])} - {"name"}
        self._expect_keys(path, table, own, optional={"kind"})
        coordinate = table["coordinate"]
        if not isinstance(coordinate, str) or not _NAME.fullmatch(coordinate):
            self._fail(path, "coordinate", f"must be a lower-case name, not {coordinate!r}")
        if self._kinds.setdefault(coordinate, kind) != kind:
            self._fail(path, "coordinate", f"{coordinate!r} is {self._kinds[coordinate]} elsewhere, and {kind} here")
        if kind == "categorical":
            return CategoricalParameter(name, coordinate, self._choices(path, table["choices"]))
        if kind == "integer":
            return self._integer(path, name, coordinate, table)
        return self._real(path, name, coordinate, table)

    def _real(self, path: str, name: str, coordinate: str, table: Mapping[str, object]) -> RealParameter:
        decimals = table["decimals"]
        if type(decimals) is not int or not 0 <= decimals <= MAX_DECIMALS:
            self._fail(path, "decimals", f"must be a whole number from 0 to {MAX_DECIMALS}, not {decimals!r}")
        low = self._bound(path, "low", table["low"], decimals)
        high = self._bound(path, "high", table["high"], decimals)
        if low >= high:
            self._fail(path, "high", f"must be greater than low ({low}), not {high}")
        return RealParameter(name, coordinate, low, high, decimals)

    def _bound(self, path: str, key: str, value: object, decimals: int) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_BOUND:
            self._fail(path, key, f"must be a number within ±{MAX_BOUND:g}, not {value!r}")
        if round(value, decimals) != value:
            self._fail(path, key, f"{value} has more than the declared {decimals} decimals")
        return float(value)

    def _integer(self, path: str, name: str, coordinate: str, table: Mapping[str, object]) -> IntegerParameter:
        low, high = (self._whole(path, key, table[key]) for key in ("low", "high"))
        if low >= high:
            self._fail(path, "high", f"must be greater than low ({low}), not {high}")
        return IntegerParameter(name, coordinate, low, high)

    def _whole(self, path: str, key: str, value: object) -> int:
        if type(value) is not int or abs(value) > MAX_BOUND:
            self._fail(path, key, f"must be a whole number within ±{MAX_BOUND:g}, not {value!r}")
        return value

    def _choices(self, path: str, choices: object) -> tuple[str, ...]:
        if not isinstance(choices, list) or not MIN_CHOICES <= len(choices) <= MAX_CHOICES:
            self._fail(path, "choices", f"must be a list of {MIN_CHOICES} to {MAX_CHOICES} texts")
        for index, choice in enumerate(choices):
            if not isinstance(choice, str) or not 1 <= len(choice) <= MAX_CHOICE_LENGTH or not choice.isprintable():
                complaint = f"{choice!r} is no text of 1 to {MAX_CHOICE_LENGTH} printable characters"
                self._fail(path, "choices", complaint)
            if choice in choices[:index]:
                self._fail(path, "choices", f"{choice!r} is listed twice")
        return tuple(choices)

    def _mode(self, name: str, table: Mapping[str, object], apis: tuple[Api, ...]) -> Mode:
        path = f"modes.{name}"
        self._expect_keys(path, table, {"apis"})
        names = table["apis"]
        if not isinstance(names, list) or not names:
            self._fail(path, "apis", "must be a list of at least one API")
        known = {api.name: api for api in apis}
        for index, api in enumerate(names):
            if not isinstance(api, str) or api not in known:
                self._fail(path, "apis", f"{api!r} is not declared")
            if api in names[:index]:
                self._fail(path, "apis", f"{api!r} is listed twice")
        mode = Mode(name, tuple(known[api] for api in names))
        if len(mode.coordinates) > MAX_COORDINATES:
            self._fail(path, "apis", f"{len(mode.coordinates)} coordinates together; at most {MAX_COORDINATES}")
        return mode

    def _tables(self, parent: str, key: str, value: object) -> list[tuple[str, Mapping[str, object]]]:
        path = f"{parent}.{key}" if parent else key
        if not isinstance(value, dict) or not value:
            self._fail(path, "", "must be a table with at least one entry")
        for name, content in value.items():
            if not _NAME.fullmatch(name):
                self._fail(path, name, "names are lower-case letters, digits and underscores, at most 64")
            if not isinstance(content, dict):
                self._fail(path, name, "must be a table")
        return list(value.items())

    def _expect_keys(
        self, path: str, table: Mapping[str, object], keys: set[str], optional: Set[str] = frozenset()
    ) -> None:
        for key in sorted(keys - table.keys()):
            self._fail(path, key, "is missing")
        for key in sorted(table.keys() - keys - optional):
            self._fail(path, key, f"is not known; the keys are {', '.join(sorted(keys | optional))}")

    def _fail(self, table: str, key: str, message: str) -> Never:
        raise SpaceError(self._path, table, key, message)
