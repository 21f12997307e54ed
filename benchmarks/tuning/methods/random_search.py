"""Random search: settings drawn uniformly from everything that can be suggested; the best rated is recommended."""

from collections.abc import Sequence

import numpy as np

from benchmarks.tuning.methods.flat_space import BestRated
from benchmarks.tuning.settings import API, Parameters, real_parameters
from tuning.spaces import Mode


class RandomSearch:
    """Every method must beat it."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._generator = np.random.default_rng(seed)
        self._best = BestRated()

    def ask(self, n: int) -> list[Parameters]:
        return [self._draw() for _ in range(n)]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for parameters, rating in ratings:
            self._best.note(parameters, rating)

    def recommend(self) -> Parameters:
        return self._best.parameters

    def _draw(self) -> Parameters:
        sizes = np.array([api.size for api in self._mode.apis])
        api = self._mode.apis[int(self._generator.choice(len(sizes), p=sizes / sizes.sum()))]
        steps = {
            p.name: p.unscale(self._generator.integers(p.steps, endpoint=True) / p.steps) for p in real_parameters(api)
        }
        return {API: api.name, **steps}
