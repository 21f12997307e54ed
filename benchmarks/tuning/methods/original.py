"""The optimizer that this project replaces: scikit-optimize's Optimizer as the original service called it.

A Gaussian process with expected improvement, maximized over random samples, from five random points on; batches by
scikit-optimize's default (the constant liar, minimum). It recommends the best rated setting, as the original did.
"""

from collections.abc import Sequence

from skopt import Optimizer
from skopt.space import Categorical, Real

from benchmarks.tuning.methods.flat_space import BestRated, to_parameters
from benchmarks.tuning.settings import API, Parameters
from tuning.spaces import Mode


class OriginalOptimizer:
    """One category and the shared dimensions; it minimizes, so it is told negative ratings."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._optimizer = Optimizer(
            [
                Categorical([api.name for api in mode.apis], name=API),
                *(Real(0.0, 1.0, name=name) for name in mode.coordinates),
            ],
            base_estimator="GP",
            acq_func="EI",
            acq_optimizer="sampling",
            n_initial_points=5,
            random_state=seed,
        )
        self._asked: list[list[object]] = []
        self._best = BestRated()

    def ask(self, n: int) -> list[Parameters]:
        self._asked = self._optimizer.ask(n)
        names = (API, *self._mode.coordinates)
        return [to_parameters(self._mode, dict(zip(names, point, strict=True))) for point in self._asked]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        self._optimizer.tell(self._asked, [-rating for _, rating in ratings])
        for parameters, rating in ratings:
            self._best.note(parameters, rating)

    def recommend(self) -> Parameters:
        return self._best.parameters
