"""SMAC3's BlackBoxFacade (Gaussian process, expected improvement), by ask and tell; it recommends its incumbent.

The space is conditional: each API has parameters of its own. The scenario is called deterministic though ratings are
noisy: otherwise SMAC3 spends ratings on having challengers of the incumbent rated again, and on other raters that, like
the flat space, did worse.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float
from smac import BlackBoxFacade, Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.tuning.runs import RATINGS
from benchmarks.tuning.settings import API, Parameters, real_parameters
from tuning.spaces import Mode

_IN = ":"  # between an API's name and its parameter's


class Smac3:
    """It minimizes, so it is told negative ratings."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self._folder = tempfile.TemporaryDirectory()  # SMAC3 keeps a record of its own
        scenario = Scenario(
            _conditional_space(mode, seed),
            deterministic=True,
            n_trials=RATINGS,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        self._facade = BlackBoxFacade(scenario, _never_called, logging_level=False)
        self._running: list[TrialInfo] = []

    def ask(self, n: int) -> list[Parameters]:
        self._running = [self._facade.ask() for _ in range(n)]
        return [_parameters(trial.config) for trial in self._running]

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for trial, (_, rating) in zip(self._running, ratings, strict=True):
            self._facade.tell(trial, TrialValue(cost=-rating), save=False)

    def recommend(self) -> Parameters:
        return _parameters(self._facade.intensifier.get_incumbent())


def _conditional_space(mode: Mode, seed: int) -> ConfigurationSpace:
    space = ConfigurationSpace(seed=seed)
    choice = Categorical(API, [api.name for api in mode.apis])
    space.add(choice)
    for api in mode.apis:
        own = [Float(f"{api.name}{_IN}{p.name}", (p.low, p.high)) for p in real_parameters(api)]
        space.add(own)
        space.add([EqualsCondition(parameter, choice, api.name) for parameter in own])
    return space


def _parameters(configuration: Mapping[str, object]) -> Parameters:
    return {name.rpartition(_IN)[2]: value for name, value in dict(configuration).items()}


def _never_called(config: object, seed: int = 0) -> float:
    """Stand in for the function that the facade wants even where it is asked and told."""
    raise NotImplementedError
