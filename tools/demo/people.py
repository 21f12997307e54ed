"""Who rates in the demo, and what they think: four people, some pictures, and the hidden worth of every setting.

Nothing of it is known to the service, which has to find it out from the ratings. People are as in the model of Z. Li
and C. Bampis, "Recover subjective quality scores from noisy measurements" (DCC 2017), with a slope: leniency, use of
the scale, and an error per rating.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from tuning.observations import MAX_RATING, MIN_RATING
from tuning.spaces import Mode, RealParameter
from tuning.validation.space_file import load_spaces

# A setting as the API gives it: `api`, and each of that API's parameters by name.
Parameters = Mapping[str, object]

_MIDDLE = (MIN_RATING + MAX_RATING) / 2


@dataclass(frozen=True, slots=True)
class Rater:
    """How one person rates: how much higher than most, how widely, and how far single ratings scatter."""

    name: str
    leniency: float
    slope: float
    deviation: float


PEOPLE = (
    Rater("ana", leniency=0.6, slope=1.0, deviation=0.3),
    Rater("bo", leniency=-0.6, slope=1.1, deviation=0.35),
    Rater("carmen", leniency=0.1, slope=0.6, deviation=0.25),
    Rater("dmitri", leniency=0.0, slope=1.2, deviation=0.7),
)

PICTURES = {
    "kitchen.jpg": 0.2,
    "living-room.jpg": 0.0,
    "bathroom.jpg": -0.35,
    "hall.jpg": 0.1,
    "attic.jpg": -0.15,
}
"""The original pictures, and by how much each is judged better whatever the setting, in rating points."""


@dataclass(frozen=True, slots=True)
class Peak:
    """An API's best setting, by its parameters' shares of their ranges, and what that is worth."""

    at: tuple[float, ...]
    worth: float


@dataclass(frozen=True, slots=True)
class Taste:
    """What the settings of a mode are worth: one broad hill per API."""

    mode: str
    peaks: Mapping[str, Peak]
    floor: float = 1.9
    width: float = 0.38

    def worth(self, parameters: Parameters) -> float:
        """Return what people think of a setting on average, in rating points."""
        peak = self.peaks[str(parameters["api"])]
        away = sum((x - best) ** 2 for x, best in zip(_shares(self.mode, parameters), peak.at, strict=True))
        return self.floor + (peak.worth - self.floor) * math.exp(-away / (2 * self.width**2))

    def moved(self, by: float, *, raised: float) -> "Taste":
        """Return the taste of a later campaign, whose best settings are a little elsewhere."""
        peaks = {
            api: Peak(tuple(min(1.0, x + by) for x in peak.at), peak.worth + raised) for api, peak in self.peaks.items()
        }
        return replace(self, peaks=peaks)


STRUCTURE = Taste(
    "structure", {"leonardo": Peak((0.52, 0.67, 0.72), 4.6), "stablediffusion": Peak((0.35, 0.4, 0.55), 3.6)}
)
SURFACES = Taste("surfaces", {"leonardo": Peak((0.4, 0.3, 0.8), 4.0), "stablediffusion": Peak((0.7, 0.45, 0.35), 4.5)})


@dataclass(frozen=True, slots=True)
class Turn:
    """One rating to give: which of a study, from 0 on, by whom and of what picture."""

    study: str
    mode: str
    nth: int

    @property
    def person(self) -> Rater:
        """The person: each judges two settings side by side, then it is another's turn."""
        return PEOPLE[self.nth // 2 % len(PEOPLE)]

    @property
    def picture(self) -> str:
        """The original picture: the same for the two settings."""
        return list(PICTURES)[self.nth // 2 % len(PICTURES)]

    def rate(self, taste: Taste, parameters: Parameters) -> float:
        """Return the person's rating of the setting: stars and halves, the same for the same turn and setting."""
        seen = taste.worth(parameters) + PICTURES[self.picture] - _MIDDLE
        error = self._chance.gauss(0.0, self.person.deviation)
        rating = _MIDDLE + self.person.slope * seen + self.person.leniency + error
        return round(2 * min(max(rating, MIN_RATING), MAX_RATING)) / 2

    def comment(self, rating: float) -> str | None:
        """Return what the person says to it, of every third rating."""
        if self.nth % 3:
            return None
        said = next(words for most, words in _COMMENTS if rating <= most)
        return said[self.nth // 3 % len(said)]

    @property
    def _chance(self) -> random.Random:
        return random.Random(f"{self.study} {self.mode} {self.nth}")  # noqa: S311 - it simulates, and guards nothing


_COMMENTS = (
    (2.0, ("the lines bend", "stains on the wall", "not the same room any more")),
    (3.5, ("hardly changed", "too dark in the corners", "the wood looks like plastic")),
    (5.0, ("the light is right", "keeps the tiles", "I would take this one")),
)
"""What is said, by the highest rating that it is said of."""


@cache
def _mode(name: str) -> Mode:
    found = load_spaces(None).find_mode(name)
    if found is None:
        raise ValueError(f"the shipped space has no mode {name}")
    return found


def _shares(mode: str, parameters: Parameters) -> list[float]:
    """Return each parameter's share of its range, from 0 to 1, in the order of the space."""
    api = _mode(mode).find_api(parameters["api"])
    if api is None:
        raise ValueError(f"the mode {mode} has no API {parameters['api']}")
    return [one.scale(float(str(parameters[one.name]))) for one in api.parameters if isinstance(one, RealParameter)]
