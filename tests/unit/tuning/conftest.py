"""What the tests of tuning share: the shipped space, a real store, and simulated ratings."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.support.spaces import MIXED
from tuning.model.design import initial_design
from tuning.observations import Observation, Setting
from tuning.spaces import Mode, Spaces
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.validation.space_file import load_spaces

RateMany = Callable[[int], list[Observation]]


@pytest.fixture(scope="session")
def spaces() -> Spaces:
    return load_spaces()


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Spaces:
    """A space with real, whole and categorical parameters, shared by two APIs in part."""
    path = tmp_path_factory.mktemp("spaces") / "mixed.toml"
    path.write_text(MIXED)
    return load_spaces(path)


@pytest.fixture(scope="session")
def mode(spaces: Spaces) -> Mode:
    return spaces.modes[0]


@pytest.fixture
def now() -> datetime:
    return datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObservationStore]:
    store = open_store(f"sqlite:///{tmp_path}/data/observations.db")
    yield store
    store.close()


@pytest.fixture
def rate_many(mode: Mode, now: datetime) -> RateMany:
    """Ratings of the first settings of a design by a noisy rater who likes leonardo at a middling strength."""

    def rate(count: int) -> list[Observation]:
        rng = np.random.default_rng(7)
        observations = []
        for setting, _ in zip(initial_design(mode, "rated"), range(count), strict=False):
            strength = float(dict(setting.values).get("init_strength", 0.1))
            rating = 4.5 - 20 * (strength - 0.3) ** 2 - (setting.api != "leonardo") + rng.normal(0, 0.3)
            observations.append(Observation(mode.name, setting, float(np.clip(rating, 1, 5)), now))
        return observations

    return rate


@pytest.fixture
def leonardo() -> Setting:
    return Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))
