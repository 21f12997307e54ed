"""Optuna's TPESampler and GPSampler, by ask and tell; each recommends `study.best_trial`, the best rated.

Both have the flat space. The GP sampler models only parameters that every trial has, and draws others at random; TPE
could take parameters of each API's own, for which its `group` option is, but on other raters it did no better so. Both
know of the trials that are still running: TPE by `constant_liar`, the GP sampler by itself. The GP sampler takes
ratings to be noisy unless told otherwise.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
import torch  # noqa: F401 - GPSampler would import it in the middle of the first batch that it models

from benchmarks.tuning.methods.flat_space import to_parameters
from benchmarks.tuning.settings import API, Parameters
from tuning.spaces import Mode


class OptunaStudy:
    """A study by one of Optuna's samplers."""

    def __init__(self, mode: Mode, sampler: Any) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._mode = mode
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._running: list[Any] = []

    def ask(self, n: int) -> list[Parameters]:
        # One after the other, so that the sampler knows what the trials before ask for.
        self._running, asked = [], []
        for _ in range(n):
            trial = self._study.ask()
            self._running.append(trial)
            asked.append(self._suggest(trial))
        return asked

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        for trial, (_, rating) in zip(self._running, ratings, strict=True):
            self._study.tell(trial, rating)

    def recommend(self) -> Parameters:
        return to_parameters(self._mode, self._study.best_trial.params)

    def _suggest(self, trial: Any) -> Parameters:
        point = {API: trial.suggest_categorical(API, [api.name for api in self._mode.apis])}
        point |= {coordinate: trial.suggest_float(coordinate, 0.0, 1.0) for coordinate in self._mode.coordinates}
        return to_parameters(self._mode, point)


def tpe(mode: Mode, seed: int) -> OptunaStudy:
    """TPE with what its documentation advises for parameters that depend on each other and for parallel trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
    return OptunaStudy(mode, sampler)


def gp(mode: Mode, seed: int) -> OptunaStudy:
    """Return the GP sampler as it comes: ten initial points, noise learned, q-batch log expected improvement."""
    return OptunaStudy(mode, optuna.samplers.GPSampler(seed=seed))
