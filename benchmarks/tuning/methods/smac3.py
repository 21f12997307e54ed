"""SMAC3's BlackBoxFacade (Gaussian process, expected improvement), by ask and tell; it recommends its incumbent.

Ratings are noisy, so the scenario is not deterministic: SMAC3 then has settings that challenge the incumbent rated
again, and compares means.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ConfigSpace import Categorical, ConfigurationSpace, Float
from smac import BlackBoxFacade, Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.tuning.methods.flat_space import to_parameters
from benchmarks.tuning.runs import RATINGS
from benchmarks.tuning.settings import API, Parameters
from tuning.spaces import Mode


class Smac3:
    """The flat space; it minimizes, so it is told negative ratings."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._mode = mode
        self._folder = tempfile.TemporaryDirectory()  # SMAC3 keeps a record of its own
        space = ConfigurationSpace(seed=seed)
        space.add(Categorical(API, [api.name for api in mode.apis]))
        space.add([Float(name, (0.0, 1.0)) for name in mode.coordinates])
        scenario = Scenario(
            space, deterministic=False, n_trials=RATINGS, seed=seed, output_directory=Path(self._folder.name)
        )
        self._facade = BlackBoxFacade(scenario, _never_called, logging_level=False)
        self._running: list[TrialInfo] = []

    def ask(self, n: int) -> list[Parameters]:
        self._running = [self._facade.ask() for _ in range(n)]
        return [self._parameters(trial.config) for trial in self._running]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for trial, (_, rating) in zip(self._running, ratings, strict=True):
            self._facade.tell(trial, TrialValue(cost=-rating), save=False)

    def recommend(self) -> Parameters:
        return self._parameters(self._facade.intensifier.get_incumbent())

    def _parameters(self, configuration: Mapping[str, object]) -> Parameters:
        return to_parameters(self._mode, configuration)


def _never_called(config: object, seed: int = 0) -> float:
    """The facade wants a function of this shape even where it is asked and told."""
    raise NotImplementedError
