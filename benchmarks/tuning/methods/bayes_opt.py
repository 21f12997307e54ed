"""The package bayesian-optimization: suggest and register, with its constant liar for batches.

The API is a relaxed dimension of [0, 1), cut into as many parts as there are APIs: the package has categories, but its
constant liar does not know them. It starts from five random points, the package's own number, and recommends
`optimizer.max`, the best rated. Everything else is as it comes: on other raters, telling the process of more noise
(`alpha`) and recommending what it predicts to be best did no better, nor did expected improvement.
"""

from collections.abc import Sequence

from bayes_opt import BayesianOptimization
from bayes_opt.acquisition import ConstantLiar, UpperConfidenceBound

from benchmarks.tuning.methods.flat_space import to_parameters
from benchmarks.tuning.settings import API, Parameters
from tuning.spaces import Mode

_INITIAL_POINTS = 5


class BayesOpt:
    """Upper confidence bounds over a Gaussian process."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._optimizer = BayesianOptimization(
            f=None,
            pbounds={API: (0.0, 1.0), **dict.fromkeys(mode.coordinates, (0.0, 1.0))},
            acquisition_function=ConstantLiar(UpperConfidenceBound()),
            random_state=seed,
            verbose=0,
            allow_duplicate_points=True,
        )
        self._asked: list[dict[str, float]] = []

    def ask(self, n: int) -> list[Parameters]:
        initial = len(self._optimizer.space) < _INITIAL_POINTS
        self._asked = self._optimizer.random_sample(n) if initial else [self._optimizer.suggest() for _ in range(n)]
        return [self._parameters(point) for point in self._asked]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for point, (_, rating) in zip(self._asked, ratings, strict=True):
            self._optimizer.register(point, rating)

    def recommend(self) -> Parameters:
        return self._parameters(self._optimizer.max["params"])

    def _parameters(self, point: dict[str, float]) -> Parameters:
        apis = self._mode.apis
        index = min(int(point[API] * len(apis)), len(apis) - 1)
        return to_parameters(self._mode, {**point, API: apis[index].name})
