"""The search space: which APIs compete in which mode, and which values their parameters may take.

The space is data (`spaces.toml`), read and validated once. This module refuses a file that is wrong in any way,
naming file, table and key; it judges no caller's input (see `tuning.observations`) and chooses no setting.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from tuning.errors import SpaceError

MAX_COORDINATES = 15  # of one mode; the low-discrepancy sequence has one dimension more (tuning.sobol)
MAX_DECIMALS = 6
MAX_BOUND = 1e9

_SHIPPED = Path(__file__).with_name("spaces.toml")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = frozenset({"api"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A real parameter of an API, within [low, high], suggested with so many decimals."""

    name: str
    coordinate: str
    low: float
    high: float
    decimals: int

    @property
    def steps(self) -> int:
        """How many steps of the last decimal lie between the bounds."""
        return round((self.high - self.low) * 10.0**self.decimals)

    def scale(self, value: float) -> float:
        """The value as a coordinate: 0 at `low`, 1 at `high`, beyond them outside."""
        return (value - self.low) / (self.high - self.low)

    def unscale(self, coordinate: float) -> float:
        """The value at a coordinate of [0, 1], rounded as declared."""
        return round(self.low + coordinate * (self.high - self.low), self.decimals)


@dataclass(frozen=True, slots=True)
class Api:
    """An image-enhancement API and its parameters, in the order in which answers list them."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> int:
        """How many different settings can be suggested."""
        return math.prod(parameter.steps + 1 for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class Mode:
    """One study: the APIs that compete in it."""

    name: str
    apis: tuple[Api, ...]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates, in order of first mention; the columns of the surrogate's inputs."""
        return tuple(dict.fromkeys(parameter.coordinate for api in self.apis for parameter in api.parameters))

    @property
    def size(self) -> int:
        """How many different settings can be suggested."""
        return sum(api.size for api in self.apis)

    def find_api(self, name: object) -> Api | None:
        """The API of that name, or None."""
        return next((api for api in self.apis if api.name == name), None)


@dataclass(frozen=True, slots=True)
class Spaces:
    """Every mode; `default_mode` is that of ratings that do not say theirs."""

    modes: tuple[Mode, ...]
    default_mode: str

    @property
    def apis(self) -> tuple[Api, ...]:
        """Every API of any mode, in order of first mention."""
        return tuple(dict.fromkeys(api for mode in self.modes for api in mode.apis))

    def find_mode(self, name: object) -> Mode | None:
        """The mode of that name, or None."""
        return next((mode for mode in self.modes if mode.name == name), None)


def load_spaces(path: Path | None = None) -> Spaces:
    """Reads and validates a search space (by default the shipped one).

    Raises SpaceError, which names the file, the table and the key.
    """
    return _Reader(path or _SHIPPED).read()


class _Reader:
    """Validates one file, table by table, and stops at the first mistake."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Spaces:
        try:
            document = tomllib.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SpaceError(self._path, "", "", str(error)) from error
        self._expect_keys("", document, {"default_mode", "modes", "apis"})
        apis = tuple(self._api(name, table) for name, table in self._tables("", "apis", document["apis"]))
        modes = tuple(self._mode(name, table, apis) for name, table in self._tables("", "modes", document["modes"]))
        default = document["default_mode"]
        if default not in {mode.name for mode in modes}:
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
        self._expect_keys(path, table, {"coordinate", "low", "high", "decimals"})
        coordinate = table["coordinate"]
        if not isinstance(coordinate, str) or not _NAME.fullmatch(coordinate):
            self._fail(path, "coordinate", f"must be a lower-case name, not {coordinate!r}")
        decimals = table["decimals"]
        if type(decimals) is not int or not 0 <= decimals <= MAX_DECIMALS:
            self._fail(path, "decimals", f"must be a whole number from 0 to {MAX_DECIMALS}, not {decimals!r}")
        low = self._bound(path, "low", table["low"], decimals)
        high = self._bound(path, "high", table["high"], decimals)
        if low >= high:
            self._fail(path, "high", f"must be greater than low ({low}), not {high}")
        return Parameter(name, coordinate, low, high, decimals)

    def _bound(self, path: str, key: str, value: object, decimals: int) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_BOUND:
            self._fail(path, key, f"must be a number within ±{MAX_BOUND:g}, not {value!r}")
        if round(value, decimals) != value:
            self._fail(path, key, f"{value} has more than the declared {decimals} decimals")
        return float(value)

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

    def _expect_keys(self, path: str, table: Mapping[str, object], keys: set[str]) -> None:
        for key in sorted(keys - table.keys()):
            self._fail(path, key, "is missing")
        for key in sorted(table.keys() - keys):
            self._fail(path, key, f"is not known; the keys are {', '.join(sorted(keys))}")

    def _fail(self, table: str, key: str, message: str) -> Never:
        raise SpaceError(self._path, table, key, message)
