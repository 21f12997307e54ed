"""Judging: what is said of settings, raters and pictures agrees with the model written out."""

from dataclasses import replace

import numpy as np
import pytest

from tuning.model.arrays import Floats, Indices
from tuning.model.raters import judging
from tuning.model.raters.judging import LENIENCY_DEVIATION, PICTURE_DEVIATION, Judgement, judge
from tuning.model.raters.panel import Panel

NOISE = 0.27
SETTINGS = 12


def panel_of(
    raters: Indices, pictures: Indices, ratings: Floats, *, rows: Indices | None = None, step: float = 0.0
) -> Panel:
    return Panel(
        np.arange(len(ratings)) % SETTINGS if rows is None else rows,
        raters,
        pictures,
        ratings,
        np.full(len(ratings), step),
        np.flatnonzero(np.diff(raters, prepend=-2) | np.diff(pictures, prepend=-2)),
        tuple(f"r{i}" for i in range(int(raters.max(initial=-1)) + 1)),
        tuple(f"p{i}" for i in range(int(pictures.max(initial=-1)) + 1)),
    )


def judged(panel: Panel, settings: int = SETTINGS) -> Judgement:
    where = np.linspace(0.0, 1.0, settings)
    kernel = 0.7 * np.exp(-(((where[:, None] - where) / 0.3) ** 2)) + 0.15
    return judge(panel, kernel, np.full(settings, 3.0), NOISE)


@pytest.fixture
def panel() -> Panel:
    generator = np.random.default_rng(5)
    raters = generator.integers(-1, 4, 40)
    return panel_of(raters, np.arange(40) // 2, generator.uniform(1.5, 4.5, 40))


def test_the_means_and_their_errors_are_those_of_generalized_least_squares(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "ROUNDS", 0)
    said = judged(panel)
    incidence = (panel.rows[:, None] == np.arange(SETTINGS)).astype(float)
    errors = NOISE * np.eye(40)
    for owners, deviation in ((panel.raters, LENIENCY_DEVIATION), (panel.pictures, PICTURE_DEVIATION)):
        same = (owners[:, None] == owners) & (owners >= 0)
        errors += deviation**2 * (same | np.eye(40, dtype=bool))
    precision = incidence.T @ np.linalg.solve(errors, incidence)
    means = np.linalg.solve(precision, incidence.T @ np.linalg.solve(errors, panel.ratings))
    assert said.noise == pytest.approx(np.linalg.inv(precision))
    assert said.means == pytest.approx(means)
    residual = panel.ratings - means[panel.rows]
    assert said.scatter == pytest.approx(NOISE * residual @ np.linalg.solve(errors, residual))
    assert said.freedom == 40 - SETTINGS


def simulated(generator: np.random.Generator, sittings: int = 30) -> tuple[Panel, Floats, Floats]:
    """Four raters take turns, two settings on one picture each; what they are truly like beside it."""
    truth = 3.0 + np.sin(np.linspace(0.0, 3.0, SETTINGS))
    lenience, level = generator.normal(0.0, 0.35, 4), generator.normal(0.0, 0.3, sittings)
    sitting = np.arange(2 * sittings) // 2
    rows = generator.permutation(2 * sittings) % SETTINGS
    said = truth[rows] + lenience[sitting % 4] + level[sitting] + generator.normal(0.0, 0.52, 2 * sittings)
    return panel_of(sitting % 4, sitting, np.clip(np.round(said), 1, 5), rows=rows, step=1.0), lenience, truth


def test_leniency_is_found_as_closely_as_its_deviation_says() -> None:
    errors = []
    for seed in range(40):
        panel, lenience, _ = simulated(np.random.default_rng(seed))
        said = judged(panel)
        errors.append((said.leniency - lenience) / said.leniency_deviation)
    assert np.mean(np.square(errors)) == pytest.approx(1.0, abs=0.35)


def test_what_raters_share_is_taken_off_the_settings() -> None:
    apart = []
    for seed in range(30):
        panel, _, truth = simulated(np.random.default_rng(seed))
        plain = np.bincount(panel.rows, panel.ratings) / np.bincount(panel.rows)
        apart.append([np.var(means - truth) for means in (judged(panel).means, plain)])
    known, unknown = np.mean(apart, axis=0)
    assert known < 0.95 * unknown


def test_a_first_rating_counts_less_than_one_of_somebody_known_and_the_next_sitting_is_as_unsure() -> None:
    alone = judged(panel_of(np.arange(12), np.full(12, -1), np.full(12, 3.0)))
    assert alone.noise.diagonal() == pytest.approx(np.full(12, NOISE + LENIENCY_DEVIATION**2), rel=0.05)
    assert alone.shared_variance == pytest.approx(LENIENCY_DEVIATION**2, rel=0.01)
    known = judged(panel_of(np.arange(120) % 4, np.full(120, -1), np.full(120, 3.0)))
    assert known.shared_variance < 0.3 * alone.shared_variance


def test_a_rater_who_says_the_same_of_everything_uses_the_scale_less_and_says_little() -> None:
    generator = np.random.default_rng(2)
    panel, _, _ = simulated(generator, 60)
    same = np.where(panel.raters == 1, 3.0, panel.ratings)
    said = judged(replace(panel, ratings=same))
    assert said.slope[1] < said.slope[[0, 2, 3]].min() - 0.03
    assert (said.slope_deviation < judging.SLOPE_DEVIATION).all()


def test_who_scatters_more_is_less_reliable() -> None:
    generator = np.random.default_rng(4)
    panel, _, _ = simulated(generator, 100)
    wild = np.where(panel.raters == 2, generator.integers(1, 6, 200), panel.ratings)
    said = judged(replace(panel, ratings=wild.astype(float)))
    assert said.reliability[2] > 1.4 * said.reliability[[0, 1, 3]].max()


def test_past_its_limit_those_who_rated_most_share_their_errors_and_the_cost_is_bounded() -> None:
    raters = np.concatenate([np.arange(1_000), np.arange(500), np.arange(100)])
    ratings = np.random.default_rng(6).uniform(1.0, 5.0, 1_600)
    said = judged(panel_of(raters, np.full(1_600, -1), ratings))
    assert np.isfinite(said.means).all()
    assert np.isfinite(said.leniency).all()
    assert len(said.leniency) == 1_000
    assert np.count_nonzero(said.leniency) == judging.MAX_SHARED
    assert (said.leniency[: judging.MAX_SHARED] != 0).all()
