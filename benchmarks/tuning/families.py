"""Four families of true ratings over the real space: what people think of a setting, before anybody has said so.

A truth is drawn from a family and a seed and is the same for every method. What a setting is truly worth is known,
hence what a recommendation loses. Who rates it, and how people err, is `benchmarks.tuning.raters`; nothing here knows
of any method.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tuning.settings import API, Parameters, real_parameters
from tuning.spaces import Api, Mode
from tuning.validation.space_file import load_spaces

MODE = "structure"

# How far a related study's truth is from the study's own: each coordinate of the optimum, 0 to 1, and the level in
# rating points, both at most and either way.
MOVED, RAISED = 0.1, 0.3

_BEST = 4.6  # what the best setting of the better API is worth

Floats = NDArray[np.float64]
# True ratings of shape (n,) at unit coordinates of shape (n, d).
Field = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Truth:
    """What every setting is worth, the mean over all people. `identity` seeds what else is drawn for it."""

    family: str
    seed: int
    mode: Mode
    fields: tuple[Field, ...]
    optimum: float
    identity: tuple[int, ...]

    def value(self, parameters: Parameters) -> float:
        """Return the true rating of a setting (`api` and its parameters), in rating points."""
        index = [api.name for api in self.mode.apis].index(str(parameters[API]))
        api = self.mode.apis[index]
        unit = [parameter.scale(float(str(parameters[parameter.name]))) for parameter in real_parameters(api)]
        return float(self.fields[index](np.array([unit]))[0])

    def regret(self, parameters: Parameters) -> float:
        """Return what is lost by taking this setting for the best, in rating points."""
        return self.optimum - self.value(parameters)


def draw(family: str, seed: int) -> Truth:
    """Return the truth of that family and seed: optimum, shape and the better API are the seed's own."""
    mode = load_spaces().find_mode(MODE)
    if mode is None:
        raise ValueError(f"the shipped space has no mode {MODE}")
    return _draw(family, seed, mode, (zlib.crc32(family.encode()), seed))


def related(truth: Truth) -> Truth:
    """Return the truth of an older study: that of this one, moved by at most MOVED and raised by at most RAISED."""
    identity = (*truth.identity, zlib.crc32(b"related"))
    generator = np.random.default_rng(identity)
    move, rise = generator.uniform(-MOVED, MOVED, 3), generator.uniform(-RAISED, RAISED)
    fields = tuple(_moved(field, move, float(rise)) for field in truth.fields)
    return Truth(truth.family, truth.seed, truth.mode, fields, _optimum(fields, truth.mode), identity)


def unrelated(truth: Truth) -> Truth:
    """Return the truth of a study that has nothing to do with this one: of any family, drawn anew."""
    identity = (*truth.identity, zlib.crc32(b"unrelated"))
    family = str(np.random.default_rng((*identity, 0)).choice(list(FAMILIES)))
    return _draw(family, truth.seed, truth.mode, identity)


def smooth(generator: np.random.Generator) -> tuple[Field, Field]:
    """One broad hill in either API, not far from each other; one is higher."""
    centre = generator.uniform(0.15, 0.85, 3)
    fields = []
    for peak in _peaks(generator):
        here = np.clip(centre + generator.normal(0.0, 0.1, 3), 0.0, 1.0)
        fields.append(_hills(here[None], generator.uniform(0.25, 0.5, (1, 3)), np.ones(1), _floor(generator), peak))
    return fields[0], fields[1]


def bumps(generator: np.random.Generator) -> tuple[Field, Field]:
    """Four hills of different height and width in either API, not far from those of the other."""
    centres = generator.uniform(0.1, 0.9, (4, 3))
    heights = np.array([1.0, *generator.uniform(0.4, 0.85, 3)])
    fields = []
    for peak in _peaks(generator):
        here = np.clip(centres + generator.normal(0.0, 0.07, (4, 3)), 0.0, 1.0)
        fields.append(_hills(here, generator.uniform(0.18, 0.35, (4, 3)), heights, _floor(generator), peak))
    return fields[0], fields[1]


def ridge(generator: np.random.Generator) -> tuple[Field, Field]:
    """Return a narrow ridge across two of the coordinates, highest somewhere on it; the other API is all but flat."""
    first, second, third = generator.permutation(3)
    sign = generator.choice([-1.0, 1.0])
    centre = generator.uniform(0.25, 0.75, 3)
    width, length, depth = generator.uniform(0.10, 0.17), generator.uniform(0.4, 0.6), generator.uniform(0.35, 0.5)
    floor, level, slope = _floor(generator), generator.uniform(2.7, 3.3), generator.normal(0.0, 0.15, 3)

    def narrow(unit: Floats) -> Floats:
        away = unit - centre
        across = (away[:, first] + sign * away[:, second]) / np.sqrt(2.0)
        along = (away[:, first] - sign * away[:, second]) / np.sqrt(2.0)
        squared = (across / width) ** 2 + (along / length) ** 2 + (away[:, third] / depth) ** 2
        return np.asarray(floor + (_BEST - floor) * np.exp(-0.5 * squared))

    return narrow, lambda unit: np.asarray(level + (unit - 0.5) @ slope)


def trap(generator: np.random.Generator) -> tuple[Field, Field]:
    """Return a truth whose better API is poor but for one narrow peak; the weaker one is decent all over."""
    narrow = _hills(
        generator.uniform(0.15, 0.85, (1, 3)), generator.uniform(0.16, 0.24, (1, 3)), np.ones(1), 2.2, _BEST
    )
    broad = _hills(generator.uniform(0.2, 0.8, (1, 3)), generator.uniform(0.4, 0.6, (1, 3)), np.ones(1), 3.0, 4.0)
    return narrow, broad


FAMILIES: dict[str, Callable[[np.random.Generator], tuple[Field, Field]]] = {
    "smooth": smooth,
    "bumps": bumps,
    "ridge": ridge,
    "trap": trap,
}


def _draw(family: str, seed: int, mode: Mode, identity: tuple[int, ...]) -> Truth:
    generator = np.random.default_rng(identity)
    better, other = FAMILIES[family](generator)
    fields = (better, other)[:: int(generator.choice([-1, 1]))]
    return Truth(family, seed, mode, fields, _optimum(fields, mode), identity)


def _optimum(fields: tuple[Field, ...], mode: Mode) -> float:
    return max(float(field(_grid(api)).max()) for field, api in zip(fields, mode.apis, strict=True))


def _moved(field: Field, move: Floats, rise: float) -> Field:
    return lambda unit: field(unit - move) + rise


def _floor(generator: np.random.Generator) -> float:
    return float(generator.uniform(2.0, 2.8))


def _peaks(generator: np.random.Generator) -> tuple[float, float]:
    return _BEST, _BEST - float(generator.uniform(0.2, 0.8))


def _hills(centres: Floats, widths: Floats, heights: Floats, floor: float, peak: float) -> Field:
    """Gaussian hills, shapes (k, d), (k, d) and (k,), over a floor; the highest point is worth `peak`."""

    def sum_at(unit: Floats) -> Floats:
        squared = (((unit[:, None, :] - centres) / widths) ** 2).sum(axis=2)
        return np.asarray(np.exp(-0.5 * squared) @ heights)

    axis = np.linspace(0.0, 1.0, 41)
    highest = sum_at(np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)).max()
    return lambda unit: np.asarray(floor + (peak - floor) * sum_at(unit) / highest)


def _grid(api: Api) -> Floats:
    """Every suggestible setting of an API as unit coordinates."""
    axes = [np.linspace(0.0, 1.0, parameter.steps + 1) for parameter in real_parameters(api)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
