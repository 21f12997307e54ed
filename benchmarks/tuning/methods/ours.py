"""Ours, by the façade that scripts and notebooks use: the same functions that suggest and update call."""

from collections.abc import Sequence

import tuning.model.learning  # noqa: F401 - the first tell that learns would import it
from benchmarks.tuning.raters import Sitting
from benchmarks.tuning.settings import Parameters
from tuning import Tuner
from tuning.insight.recommendation import Recommendation
from tuning.spaces import Mode


class Ours:
    """Recommends the best posterior mean over the whole space."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._tuner = Tuner(mode=mode.name, seed=seed)
        self._recommended: Recommendation | None = None

    def ask(self, n: int) -> list[Parameters]:
        return [suggestion.parameters for suggestion in self._tuner.ask(n)]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        self._tuner.tell(ratings)

    def tell_of(self, ratings: Sequence[tuple[Parameters, float]], sitting: Sitting) -> None:
        self._tuner.tell(ratings, rater=sitting.rater, picture=sitting.picture)

    def recommend(self) -> Parameters:
        self._recommended = self._tuner.recommend()
        return self._recommended.parameters

    def interval(self) -> tuple[float, float]:
        if self._recommended is None:
            raise ValueError("nothing is recommended yet")
        return self._recommended.interval

    def successor(self, seed: int) -> "Ours":
        study = Ours(self._mode, seed)
        study._tuner = Tuner(mode=self._mode.name, seed=seed, based_on=self._tuner)
        return study
