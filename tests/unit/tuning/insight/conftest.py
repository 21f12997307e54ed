"""Studies to ask: of a mode, with ratings by a function of the setting, by people or by nobody in particular."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pytest

from tuning.model.design import initial_design
from tuning.observations import Observation, Setting
from tuning.spaces import Mode
from tuning.study import ModeStudy

NOW = datetime(2030, 1, 2, tzinfo=UTC)

Rating = Callable[[Setting], float]


class Study(Protocol):
    def __call__(self, count: int, rating: Rating = ..., *, seed: int = ..., raters: int = ...) -> ModeStudy: ...


def likes(setting: Setting) -> float:
    """Leonardo at a middling strength."""
    strength = float(dict(setting.values).get("init_strength", 0.1))
    return 4.5 - 20 * (strength - 0.3) ** 2 - (setting.api != "leonardo")


@pytest.fixture
def study(mode: Mode) -> Study:
    def make(count: int, rating: Rating = likes, *, seed: int = 1, raters: int = 0) -> ModeStudy:
        rng = np.random.default_rng(seed)
        settings = [setting for setting, _ in zip(initial_design(mode, str(seed)), range(count), strict=False)]
        observations = [
            Observation(
                mode.name,
                setting,
                float(np.clip(rating(setting) + rng.normal(0, 0.2), 1, 5)),
                NOW + timedelta(minutes=number),
                rater=f"rater {number % raters}" if raters else None,
            )
            for number, setting in enumerate(settings)
        ]
        return ModeStudy(mode.name, seed, None, tuple(observations), ())

    return make
