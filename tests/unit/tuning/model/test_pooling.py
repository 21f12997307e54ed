"""Pooling: how ratings become the model's data, and what it keeps of very many."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from tuning.model import pooling
from tuning.model.encoding import Points, encode
from tuning.model.pooling import MAX_POINTS, pool
from tuning.model.priors import prior_modes
from tuning.model.surrogate import Surrogate
from tuning.observations import Observation, Setting
from tuning.spaces import Mode, Spaces

RateMany = Callable[[int], list[Observation]]


def test_pooled_repeats_teach_what_single_ratings_teach(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(6)
    repeated = [*observations, *(replace(o, rating=5.0) for o in observations[:3]), replace(observations[0], rating=1)]
    pooled = pool(mode, repeated)
    assert len(pooled) == 6
    assert pooled.counts.tolist() == [3, 2, 2, 1, 1, 1]
    assert pooled.total == 10
    queries = encode(mode, [observation.setting for observation in rate_many(10)])
    single = Surrogate(
        encode(mode, [o.setting for o in repeated]),
        np.array([o.rating for o in repeated]),
        np.ones(len(repeated)),
        prior_modes(mode),
    ).posterior(queries)
    posterior = Surrogate(pooled.points, pooled.means, pooled.counts, prior_modes(mode)).posterior(queries)
    assert posterior.mean == pytest.approx(single.mean, abs=1e-6)
    assert posterior.variance == pytest.approx(single.variance, abs=1e-6)


def crowd(mode: Mode, now: datetime, count: int) -> list[Observation]:
    """Ratings of many settings, most of them in one corner, where all is middling; the rest are worse."""
    rng = np.random.default_rng(3)
    observations = []
    for index in range(count):
        where = rng.random(3) * (0.1 if index % 10 else 1.0)
        values = (0.1 + 0.4 * where[0], 5 + 7 * where[1], 0.7 + 0.29 * where[2])
        names = ("init_strength", "guidance_scale", "controlnet_weight")
        setting = Setting("leonardo", tuple(zip(names, map(float, values), strict=True)))
        observations.append(Observation(mode.name, setting, 3.0 if index % 10 else 2.0, now))
    return observations


def test_past_its_limit_the_model_keeps_what_is_well_rated_often_and_a_view_of_the_whole_space(
    mode: Mode, now: datetime
) -> None:
    observations = crowd(mode, now, 3_000)
    observations[7:7] = [replace(observations[0], rating=4.5)] * 6
    kept = pool(mode, observations)
    assert len(kept) == MAX_POINTS == 512
    assert observations[0].setting in kept.settings
    remote = [o.setting for o in observations if float(dict(o.setting.values)["init_strength"]) > 0.2]
    assert len(set(remote) & set(kept.settings)) > 0.9 * len(set(remote))
    assert kept.counts.max() == 7


def test_past_its_limit_the_model_keeps_the_best_region_and_not_the_luckiest_ratings(mode: Mode, now: datetime) -> None:
    """Of alike settings the lucky are no better than the unlucky: ratings that were kept for their luck mislead."""
    rng = np.random.default_rng(5)
    good: list[Observation] = []
    poor: list[Observation] = []
    for index in range(1_200):
        there, level = (good, 3.5) if index % 2 else (poor, 2.5)
        # One corner is better than the other; every rating errs by .6.
        where = rng.random(3) * 0.25 + (0.75 if there is good else 0.0)
        values = (0.1 + 0.4 * where[0], 5 + 7 * where[1], 0.7 + 0.29 * where[2])
        names = ("init_strength", "guidance_scale", "controlnet_weight")
        setting = Setting("leonardo", tuple(zip(names, map(float, values), strict=True)))
        there.append(Observation(mode.name, setting, level + rng.normal(0.0, 0.6), now))
    kept = dict(zip((ratings := pool(mode, [*good, *poor], limit=256)).settings, ratings.means, strict=True))

    of_good = [kept[one.setting] for one in good if one.setting in kept]
    assert len(of_good) >= 64  # a quarter of the limit
    assert abs(np.mean(of_good) - np.mean([one.rating for one in good])) < 0.15
    of_poor = [kept[one.setting] for one in poor if one.setting in kept]
    assert abs(np.mean(of_poor) - np.mean([one.rating for one in poor])) < 0.15


def test_of_a_crowd_of_like_settings_the_oftenest_rated_are_kept_and_then_the_newest(mode: Mode, now: datetime) -> None:
    def observe(step: int, rating: float = 3.0) -> Observation:
        values = (("init_strength", 0.3 + step / 10_000), ("guidance_scale", 7.0), ("controlnet_weight", 0.8))
        return Observation(mode.name, Setting("leonardo", values), rating, now)

    observations = [observe(step) for step in (1, 2, 3, 4, 5, 6, 7, 8, 2, 4)]
    kept = pool(mode, [*observations, observe(1, 3.3)], limit=4)
    assert [round(10_000 * (float(dict(s.values)["init_strength"]) - 0.3)) for s in kept.settings] == [1, 2, 4, 8]


def test_pooling_what_is_new_is_pooling_everything(
    mode: Mode, rate_many: RateMany, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    observations = [*rate_many(40), *crowd(mode, now, 700), *rate_many(40)]
    for step in (1, 3, 97, 550):
        for end in range(0, len(observations), step):
            pool(mode, observations[:end])
        grown = pool(mode, observations)
        monkeypatch.setattr(pooling, "_known", {})
        anew = pool(mode, observations)
        assert grown is not anew
        assert grown.settings == anew.settings
        assert np.array_equal(grown.points.coordinates, anew.points.coordinates)
        assert (grown.means.tolist(), grown.counts.tolist()) == (anew.means.tolist(), anew.counts.tolist())
        assert grown.scatter == anew.scatter


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many settings were given a point, each time that some were."""
    counts: list[int] = []

    def counting(mode: Mode, settings: list[Setting]) -> Points:
        if settings:
            counts.append(len(settings))
        return encode(mode, settings)

    monkeypatch.setattr(pooling, "encode", counting)
    return counts


def test_only_what_is_new_is_pooled(mode: Mode, rate_many: RateMany, placed: list[int]) -> None:
    observations = rate_many(300)
    pool(mode, observations[:298])
    assert len(pool(mode, observations)) == 300
    assert placed == [298, 2]


def test_studies_that_take_turns_are_not_pooled_anew(mode: Mode, rate_many: RateMany, placed: list[int]) -> None:
    studies = [rate_many(20 + turn) for turn in range(32)]
    for observations in studies:
        pool(mode, observations[:10])
    first = [pool(mode, observations) for observations in studies]
    assert placed == [10] * 32 + [10 + turn for turn in range(32)]
    assert all(pool(mode, observations) is known for observations, known in zip(studies, first, strict=True))


def test_one_study_in_two_modes_is_pooled_in_each(spaces: Spaces, rate_many: RateMany, placed: list[int]) -> None:
    observations = rate_many(20)
    for _ in range(2):
        for mode in spaces.modes:
            assert len(pool(mode, observations)) == 20
    assert placed == [20, 20]


def test_what_is_remembered_is_bounded_and_the_oldest_goes(mode: Mode, rate_many: RateMany, placed: list[int]) -> None:
    studies = [rate_many(3) for _ in range(40)]
    for observations in studies:
        pool(mode, observations)
    assert len(pooling._known) == 32
    placed.clear()
    pool(mode, studies[39])
    pool(mode, studies[8])
    assert placed == []
    pool(mode, studies[0])
    assert placed == [3]
    assert len(pooling._known) == 32


def test_what_has_not_changed_is_not_pooled_again(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(20)
    assert pool(mode, observations) is pool(mode, list(observations))
    assert pool(mode, observations, limit=5) is pool(mode, observations, limit=5)


def test_as_many_modes_as_were_pooled_last_are_remembered(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(5)
    modes = [replace(mode, name=str(number)) for number in range(pooling._REMEMBERED + 2)]
    before = [pool(one, observations) for one in modes]
    assert len(pooling._known) == pooling._REMEMBERED
    assert all(pool(one, observations) is then for one, then in zip(modes[2:], before[2:], strict=True))
    assert pool(modes[0], observations) is not before[0]


def test_another_study_of_the_mode_is_not_taken_for_the_last(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(5)
    other = [*observations[:2], replace(observations[2], rating=1.0), *observations[3:]]
    assert pool(mode, observations).means.tolist() == [o.rating for o in observations]
    assert pool(mode, other).means.tolist() == [o.rating for o in other]
    assert len(pool(mode, observations[:2])) == 2


def test_what_was_rated_beyond_todays_bounds_still_teaches(mode: Mode, now: datetime) -> None:
    beyond = Setting("leonardo", (("init_strength", 0.9), ("guidance_scale", 4.0), ("controlnet_weight", 0.7)))
    gone = Setting("dalle", (("strength", 0.3),))
    renamed = Setting("leonardo", (("strength", 0.3), ("guidance_scale", 7.0), ("controlnet_weight", 0.7)))
    ratings = pool(mode, [Observation(mode.name, setting, 4.0, now) for setting in (beyond, gone, renamed)])
    assert ratings.settings == (beyond,)
    assert ratings.points.coordinates[0] == pytest.approx([2.0, -1 / 7, 0.0])
