"""The search space: which APIs compete in which mode, and which values their parameters may take.

Values only. `tuning.validation.space_file` reads them of a file, `tuning.validation` judges callers' input by them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

Value = float | int | str
"""What a parameter is set to: a real number, a whole one, or a choice."""


@dataclass(frozen=True, slots=True)
class RealParameter:
    """A real number within [low, high], suggested with so many decimals.

    Parameters of several APIs that share a `coordinate` are taken to act alike.
    """

    name: str
    coordinate: str
    low: float
    high: float
    decimals: int

    @property
    def steps(self) -> int:
        """The number of steps of the last decimal between the bounds."""
        return round((self.high - self.low) * 10.0**self.decimals)

    @property
    def size(self) -> int:
        """The number of different values that can be suggested."""
        return self.steps + 1

    def scale(self, value: float) -> float:
        """Return the value as a coordinate: 0 at `low`, 1 at `high`, beyond them outside."""
        return (value - self.low) / (self.high - self.low)

    def unscale(self, coordinate: float) -> float:
        """Return the value at a coordinate of [0, 1], rounded as declared."""
        # Adding 0 makes of -0.0, which JSON would show, what it is equal to.
        return round(self.low + coordinate * (self.high - self.low), self.decimals) + 0.0

    def snap(self, value: float) -> float:
        """Return the nearest value that can be suggested."""
        return round(min(max(value, self.low), self.high), self.decimals) + 0.0


@dataclass(frozen=True, slots=True)
class IntegerParameter:
    """A whole number within [low, high]."""

    name: str
    coordinate: str
    low: int
    high: int

    @property
    def steps(self) -> int:
        """The number of steps between the bounds."""
        return self.high - self.low

    @property
    def size(self) -> int:
        """The number of different values that can be suggested."""
        return self.steps + 1

    def scale(self, value: float) -> float:
        """Return the value as a coordinate: 0 at `low`, 1 at `high`, beyond them outside."""
        return (value - self.low) / (self.high - self.low)

    def unscale(self, coordinate: float) -> int:
        """Return the whole number nearest to a coordinate of [0, 1]."""
        return round(self.low + coordinate * (self.high - self.low))

    def snap(self, value: float) -> int:
        """Return the nearest value that can be suggested."""
        return round(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True)
class CategoricalParameter:
    """One of several choices, none of which is nearer to any other."""

    name: str
    coordinate: str
    choices: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of different values that can be suggested."""
        return len(self.choices)

    def unscale(self, coordinate: float) -> str:
        """Return the choice at a coordinate of [0, 1], which the choices share evenly."""
        return self.choices[min(int(coordinate * self.size), self.size - 1)]


Parameter = RealParameter | IntegerParameter | CategoricalParameter


@dataclass(frozen=True, slots=True)
class Axis:
    """A coordinate among the columns of the surrogate's inputs: `width` columns from `first` on.

    A number is one column. A choice is one column per choice that any API of the mode offers of it.
    """

    coordinate: str
    first: int
    choices: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.choices) or 1

    def column(self, choice: str) -> int:
        """Return the column of one of the choices.

        Raises:
            ValueError: it is none of them.
        """
        return self.first + self.choices.index(choice)


@dataclass(frozen=True, slots=True)
class Api:
    """An image-enhancement API and its parameters, in the order in which answers list them."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> int:
        """The number of different settings that can be suggested."""
        return math.prod(parameter.size for parameter in self.parameters)

    def find_parameter(self, name: object) -> Parameter | None:
        """Return the parameter of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What every suggestion of a request has: one of these APIs, and these values by the name of the parameter.

    Each of the APIs has all of these parameters and may suggest these values of them.
    """

    apis: tuple[str, ...]
    values: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Mode:
    """One search problem, which every study has: the APIs that compete in it.

    `axes` says where each coordinate lies among the columns of the surrogate's inputs, in order of first mention.
    """

    name: str
    apis: tuple[Api, ...]
    axes: tuple[Axis, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once: every setting that is located asks for it.
        object.__setattr__(self, "axes", tuple(_lay_out(self.apis)))

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates, in order of first mention."""
        return tuple(axis.coordinate for axis in self.axes)

    @property
    def columns(self) -> tuple[str, ...]:
        """The coordinate that each column of the surrogate's inputs belongs to."""
        return tuple(axis.coordinate for axis in self.axes for _ in range(axis.width))

    @property
    def size(self) -> int:
        """The number of different settings that can be suggested."""
        return self.size_within(None)

    def size_within(self, fixed: Fixed | None) -> int:
        """Return the number of different settings that can be suggested and have what is fixed."""
        given = {name for name, _ in fixed.values} if fixed else ()
        return sum(
            math.prod(parameter.size for parameter in self.apis[api].parameters if parameter.name not in given)
            for api in self.apis_within(fixed)
        )

    def apis_within(self, fixed: Fixed | None) -> tuple[int, ...]:
        """Return the indices of the APIs that are left, in their order."""
        return tuple(index for index, api in enumerate(self.apis) if fixed is None or api.name in fixed.apis)

    def find_axis(self, coordinate: str) -> Axis:
        """Return the axis of one of the mode's coordinates."""
        return next(axis for axis in self.axes if axis.coordinate == coordinate)

    def find_api(self, name: object) -> Api | None:
        """Return the API of that name, or None."""
        return next((api for api in self.apis if api.name == name), None)


@dataclass(frozen=True, slots=True)
class Spaces:
    """Every mode; `default_mode` is that of requests and ratings that do not say theirs."""

    modes: tuple[Mode, ...]
    default_mode: str

    @property
    def apis(self) -> tuple[Api, ...]:
        """Every API of any mode, in order of first mention."""
        return tuple(dict.fromkeys(api for mode in self.modes for api in mode.apis))

    @property
    def example(self) -> dict[str, Value]:
        """A setting in the middle of the default mode's first API, in the published shape; for documents."""
        api = next(mode.apis[0] for mode in self.modes if mode.name == self.default_mode)
        return {"api": api.name, **{parameter.name: parameter.unscale(0.5) for parameter in api.parameters}}

    def find_mode(self, name: object) -> Mode | None:
        """Return the mode of that name, or None."""
        return next((mode for mode in self.modes if mode.name == name), None)


def _lay_out(apis: tuple[Api, ...]) -> Iterator[Axis]:
    choices: dict[str, dict[str, None]] = {}
    for parameter in (parameter for api in apis for parameter in api.parameters):
        known = choices.setdefault(parameter.coordinate, {})
        if isinstance(parameter, CategoricalParameter):
            known.update(dict.fromkeys(parameter.choices))
    first = 0
    for coordinate, known in choices.items():
        axis = Axis(coordinate, first, tuple(known))
        first += axis.width
        yield axis
