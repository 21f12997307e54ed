"""Ax by its Client, with the generation strategy that it chooses itself: Sobol, then BoTorch.

It is told no standard error, so that it infers the noise, and recommends `get_best_parameterization`, which goes by
the model's predictions at the settings that were rated.
"""

from collections.abc import Sequence

from ax import ChoiceParameterConfig, Client, RangeParameterConfig

from benchmarks.tuning.methods.flat_space import to_parameters
from benchmarks.tuning.settings import API, Parameters
from tuning.spaces import Mode

_RATING = "rating"


class AxClient:
    """The flat space: one choice, and a range for each coordinate."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._client = Client(random_seed=seed)
        names = [api.name for api in mode.apis]
        self._client.configure_experiment(
            [
                ChoiceParameterConfig(name=API, values=names, parameter_type="str", is_ordered=False),
                *(
                    RangeParameterConfig(name=name, bounds=(0.0, 1.0), parameter_type="float")
                    for name in mode.coordinates
                ),
            ]
        )
        self._client.configure_optimization(objective=_RATING)
        self._running: tuple[int, ...] = ()

    def ask(self, n: int) -> list[Parameters]:
        trials = self._client.get_next_trials(n)
        # It gives fewer where one stage of its strategy ends, and the rest when it is asked again.
        while len(trials) < n:
            trials |= self._client.get_next_trials(n - len(trials))
        self._running = tuple(trials)
        return [to_parameters(self._mode, parameters) for parameters in trials.values()]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for trial, (_, rating) in zip(self._running, ratings, strict=True):
            self._client.complete_trial(trial, {_RATING: rating})

    def recommend(self) -> Parameters:
        return to_parameters(self._mode, self._client.get_best_parameterization()[0])
