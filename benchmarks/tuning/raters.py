"""Who rates: what people say of a setting whose true worth is known. Two worlds of them, and what both are made of.

The n-th rating of a run errs by the same amount for every method, whichever setting is rated, so that runs are paired.
In the first world (`Alike`) whoever rates errs independently and all are alike. In the second (`People`) they differ as
people do. What is true is `benchmarks.tuning.families`; nothing here knows of any method.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.tuning.families import Truth
from benchmarks.tuning.settings import Parameters
from tuning.observations import MAX_RATING, MIN_RATING

NOISE = 0.4  # standard deviation of a single rating of the first world, in rating points

# The second world. In two public tests of picture quality (50 people, 151 items, five-point scale), people's biases
# have a standard deviation of .30 and .41 rating points, their slopes one of .11 and .17, and one rating scatters by
# .60 around its rater's own mean, by .46 to .87 depending on the person; rounding to whole stars is in these, and adds
# a twelfth to the variance. The model is that of Z. Li and C. Bampis, "Recover subjective quality scores from noisy
# measurements", DCC 2017, and of ITU-T P.910 (a true score, a bias and an inconsistency per person), and a slope.
LENIENCY = 0.35  # standard deviation of people's biases
SLOPE = 0.14  # standard deviation of people's slopes about 1, around the middle of the scale
SCATTER = 0.52  # root mean square, over people, of how far single ratings scatter before rounding
SCATTER_SPREAD = 0.20  # standard deviation of that, of its logarithm, from one person to another
LEVEL = 0.30  # standard deviation of pictures' levels: our assumption, a little less than people's biases
PEOPLE = 4  # who take turns
PER_PICTURE = 2  # settings that one person judges side by side, on one picture
REVISION = 1  # of the second world; raised with any of the above, so that results are measured anew

_MIDDLE = (MIN_RATING + MAX_RATING) / 2.0


@dataclass(frozen=True, slots=True)
class Sitting:
    """Who rated, and what picture was enhanced, as a study is told it."""

    rater: str
    picture: str


class Raters(Protocol):
    """Those who rate the settings of one run."""

    @property
    def truth(self) -> Truth:
        """What the settings are truly worth."""

    def rate(self, parameters: Parameters, nth: int) -> float:
        """Return the `nth` rating of a run, from 0 on, which is of this setting."""

    def sitting(self, nth: int) -> Sitting | None:
        """Return who gives the `nth` rating, and of what picture; None where nobody is told apart."""


@dataclass(frozen=True, slots=True)
class Alike:
    """The first world: independent noise, within the scale; odd seeds give halves."""

    truth: Truth

    def rate(self, parameters: Parameters, nth: int) -> float:
        """Return the true rating with its noise."""
        rating = _within_scale(self.truth.value(parameters) + NOISE * _standard_error(self.truth, nth))
        return round(2.0 * rating) / 2.0 if self.truth.seed % 2 else rating

    def sitting(self, nth: int) -> None:
        """Return None: all are alike."""


@dataclass(frozen=True, slots=True)
class Person:
    """How one person rates: a bias, the use of the scale, how far single ratings scatter."""

    leniency: float
    slope: float
    deviation: float


class People:
    """The second world: PEOPLE take turns, each judges PER_PICTURE settings on one picture, then comes a new picture.

    A person sees a setting's true worth and the picture's level, stretched around the middle of the scale by the slope,
    adds the bias and an error, and gives whole stars within the scale. `team` begins the names of people and pictures.
    Where they do not `differ`, all have the same error and nothing else, the limit of what can be learned of people.
    """

    def __init__(self, truth: Truth, *, team: str = "team", differ: bool = True) -> None:
        self.truth = truth
        self._team = team
        self._differ = differ
        self.people = _people(truth) if differ else (Person(0.0, 1.0, SCATTER),) * PEOPLE

    def rate(self, parameters: Parameters, nth: int) -> float:
        """Return the whole stars that the person whose turn it is gives."""
        turn = nth // PER_PICTURE
        person = self.people[turn % PEOPLE]
        seen = self.truth.value(parameters) + self.level(turn) - _MIDDLE
        error = person.deviation * _standard_error(self.truth, nth)
        return float(round(_within_scale(_MIDDLE + person.slope * seen + person.leniency + error)))

    def sitting(self, nth: int) -> Sitting:
        """Return who has the turn of the `nth` rating, and the picture."""
        turn = nth // PER_PICTURE
        return Sitting(f"{self._team}-{turn % PEOPLE + 1}", f"{self._team}-picture-{turn + 1}")

    def level(self, turn: int) -> float:
        """Return by how much the picture of that turn is judged better whatever the setting, in rating points."""
        if not self._differ:
            return 0.0
        return float(np.random.default_rng((*self.truth.identity, zlib.crc32(b"picture"), turn)).normal(0.0, LEVEL))


def _people(truth: Truth) -> tuple[Person, ...]:
    generator = np.random.default_rng((*truth.identity, zlib.crc32(b"people")))
    # The mean square of exp(N(m, s²)) is exp(2 m + 2 s²).
    middle = math.log(SCATTER) - SCATTER_SPREAD**2
    return tuple(
        Person(
            float(generator.normal(0.0, LENIENCY)),
            float(generator.normal(1.0, SLOPE)),
            float(generator.lognormal(middle, SCATTER_SPREAD)),
        )
        for _ in range(PEOPLE)
    )


def _standard_error(truth: Truth, nth: int) -> float:
    """Return the error of the `nth` rating, of a standard deviation of 1: the same in either world."""
    return float(np.random.default_rng((*truth.identity, nth)).normal())


def _within_scale(rating: float) -> float:
    return float(np.clip(rating, MIN_RATING, MAX_RATING))
