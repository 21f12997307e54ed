"""Ours, by the façade that scripts and notebooks use: the same functions that suggest and update call."""

from collections.abc import Sequence

import tuning.model.learning  # noqa: F401 - the first tell that learns would import it
from benchmarks.tuning.settings import Parameters
from tuning import Tuner
from tuning.spaces import Mode


class Ours:
    """Recommends the best posterior mean over the whole space."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._tuner = Tuner(mode=mode.name, seed=seed)

    def ask(self, n: int) -> list[Parameters]:
        return [suggestion.parameters for suggestion in self._tuner.ask(n)]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        self._tuner.tell(ratings)

    def recommend(self) -> Parameters:
        return self._tuner.recommend().parameters
