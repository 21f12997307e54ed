"""Ancestors: how the ratings of the studies that a study is based on become its model's data, and what they teach."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thorough import examples
from tuning.model.acquisition import choose, find_optimum
from tuning.model.ancestors import MAX_INHERITED, hyperparameters_of, inherited, pool_study
from tuning.model.arrays import Floats
from tuning.model.design import initial_design
from tuning.model.encoding import encode
from tuning.model.learning import fit
from tuning.model.pooling import pool
from tuning.model.priors import (
    TASK_LEVEL_VARIANCE,
    TASK_SIMILARITY_ODDS_PRIOR,
    ColumnHyperparameters,
    prior_mean,
    prior_modes,
)
from tuning.model.surrogate import Surrogate, covariance, covariance_of_rated
from tuning.observations import Observation, Setting
from tuning.spaces import Mode, Spaces
from tuning.study import Hyperparameters, ModeStudy

RateMany = Callable[[int], list[Observation]]

NOW = datetime(2030, 1, 2, tzinfo=UTC)
LEARNED = Hyperparameters((("strength", 0.2), ("guidance", 0.35), ("control_weight", 0.6)), 1.4, 0.2, 0.7, 30, 0.9)


def study(observations: Sequence[Observation], *ancestors: Sequence[Observation]) -> ModeStudy:
    chain = tuple(ModeStudy("structure", 1, None, tuple(one), ()) for one in ancestors)
    return ModeStudy("structure", 0, None, tuple(observations), (), ancestors=chain)


def hill(mode: Mode, now: datetime, count: int, seed: str, *, at: float, raised: float = 0.0) -> list[Observation]:
    """Ratings without noise of people who like leonardo at that strength, 0 to 1 of its range, and by how much more."""
    found = []
    for setting in islice(initial_design(mode, seed), count):
        (unit,) = encode(mode, [setting]).coordinates[:, 0]
        rating = 4.4 + raised - 7.0 * (unit - at) ** 2 - 0.8 * (setting.api != "leonardo")
        found.append(Observation(mode.name, setting, float(np.clip(rating, 1, 5)), now))
    return found


def strength(mode: Mode, setting: Setting) -> float:
    return float(encode(mode, [setting]).coordinates[0, 0])


def of_similarity(mode: Mode, similarity: float) -> ColumnHyperparameters:
    return replace(prior_modes(mode), task_similarity=similarity)


def test_without_ancestors_that_have_ratings_nothing_is_other_than_it_was(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(8)
    for one in (study(observations), study(observations, (), ())):
        assert pool_study(mode, one) is pool(mode, one.observations)


def test_the_studys_own_settings_come_first_and_each_study_has_its_own(mode: Mode, rate_many: RateMany) -> None:
    own, base = rate_many(5), rate_many(9)[2:]
    ratings = pool_study(mode, study(own, base, (), rate_many(3)))
    assert ratings.settings == tuple(one.setting for one in (*own, *base, *rate_many(3)))
    assert ratings.generations is not None
    assert ratings.generations.tolist() == [0] * 5 + [1] * 7 + [3] * 3
    assert (ratings.own, ratings.total, ratings.inherited, len(ratings)) == (5, 5, 10, 15)
    assert ratings.means.tolist() == [one.rating for one in (*own, *base, *rate_many(3))]
    assert ratings.points.coordinates == pytest.approx(encode(mode, ratings.settings).coordinates)


def test_however_many_ancestors_have_rated_the_model_takes_so_many_and_of_the_nearer_more(
    mode: Mode, rate_many: RateMany
) -> None:
    many = rate_many(400)
    for depth in (1, 2, 3, 8):
        ratings = pool_study(mode, study(many[:10], *[many] * depth))
        assert ratings.generations is not None
        counts = np.bincount(ratings.generations)
        assert counts[0] == 10
        assert counts[1:].sum() == MAX_INHERITED
        assert list(counts[1:]) == sorted(counts[1:], reverse=True)
        assert ratings.inherited == 400 * depth
    alone = pool_study(mode, study(many[:10], (), many))
    assert np.bincount(alone.generations).tolist() == [10, 0, MAX_INHERITED]  # type: ignore[arg-type]


def test_what_is_kept_of_ancestors_teaches_the_same_again(mode: Mode, rate_many: RateMany) -> None:
    many = [*rate_many(300), *rate_many(50)]
    before = study(many[:10], many, many[100:])
    kept = inherited(mode, before)
    after = study(many[:10], *kept)
    assert [len({one.setting for one in each}) for each in kept] == [64, 64]
    one, other = pool_study(mode, before), pool_study(mode, after)
    assert set(one.settings) == set(other.settings)
    assert inherited(mode, after) == kept
    means = [Surrogate.of(each, prior_modes(mode)).mean(encode(mode, one.settings[:10])) for each in (one, other)]
    assert means[0] == pytest.approx(means[1], abs=1e-6)


def test_what_the_space_does_not_admit_is_passed_over(mode: Mode, mixed: Spaces, rate_many: RateMany) -> None:
    elsewhere = [
        Observation("structure", setting, 4.0, rate_many(1)[0].recorded_at)
        for setting in islice(initial_design(mixed.modes[0], "s"), 10)
    ]
    own = rate_many(7)
    assert pool_study(mode, study(own, elsewhere)) is pool(mode, tuple(own))
    partly = pool_study(mode, study(own, [*elsewhere, *rate_many(4)]))
    assert (partly.inherited, len(partly)) == (4, 11)


def test_the_covariance_falls_with_each_step_of_basing(mode: Mode, rate_many: RateMany) -> None:
    points = encode(mode, [one.setting for one in rate_many(4)])
    generations = np.array([0, 1, 1, 3])
    within = covariance(points, points, of_similarity(mode, 0.6))
    found = covariance_of_rated(points, generations, of_similarity(mode, 0.6))
    steps = np.array([[0, 1, 1, 3], [1, 0, 0, 2], [1, 0, 0, 2], [3, 2, 2, 0]])
    levels = TASK_LEVEL_VARIANCE * np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
    assert found == pytest.approx(within * 0.6**steps + levels)
    assert np.linalg.eigvalsh(found).min() > 0
    assert covariance_of_rated(points, None, of_similarity(mode, 0.6)) == pytest.approx(within)


def test_the_posterior_is_that_of_the_formula(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool_study(mode, study(rate_many(6), rate_many(12)[3:]))
    assert ratings.generations is not None
    hyperparameters = of_similarity(mode, 0.7)
    at = encode(mode, [one.setting for one in rate_many(20)[12:]])
    ties = 0.7**ratings.generations
    kernel = covariance_of_rated(ratings.points, ratings.generations, hyperparameters) + np.diag(
        hyperparameters.noise_variance / ratings.counts
    )
    cross = covariance(ratings.points, at, hyperparameters) * ties[:, None]
    weights = np.linalg.solve(kernel, ratings.means - prior_mean(ratings.points.trends))
    prior = covariance(at, at, hyperparameters)
    posterior = Surrogate.of(ratings, hyperparameters).posterior(at)
    assert posterior.mean == pytest.approx(prior_mean(at.trends) + cross.T @ weights, abs=1e-6)
    variance = np.diag(prior - cross.T @ np.linalg.solve(kernel, cross))
    assert posterior.variance == pytest.approx(variance, abs=1e-6)
    rated = Surrogate.of(ratings, hyperparameters)
    assert rated.rated_mean == pytest.approx(rated.mean(ratings.points))


def test_a_base_that_is_nothing_like_it_teaches_nothing(mode: Mode, rate_many: RateMany) -> None:
    at = encode(mode, [one.setting for one in rate_many(30)[20:]])
    own = rate_many(8)
    alone = Surrogate.of(pool(mode, tuple(own)), prior_modes(mode)).posterior(at)
    ratings = pool_study(mode, study(own, rate_many(20)))
    unlike = Surrogate.of(ratings, of_similarity(mode, 1e-9)).posterior(at)
    assert unlike.mean == pytest.approx(alone.mean, abs=1e-6)
    assert unlike.variance == pytest.approx(alone.variance, abs=1e-6)
    alike = Surrogate.of(ratings, of_similarity(mode, 0.95)).posterior(at)
    assert (alike.variance < alone.variance).all()


def test_people_are_the_same_in_both_and_teach_in_both(mode: Mode, rate_many: RateMany) -> None:
    lenient = [replace(one, rating=min(one.rating + 1.0, 5.0), rater="ana") for one in rate_many(30)[10:]]
    harsh = [replace(one, rater="bo") for one in rate_many(30)[10:]]
    own = [replace(one, rater="ana") for one in rate_many(6)]
    ratings = pool_study(mode, study(own, [*lenient, *harsh]))
    assert ratings.panel is not None
    assert ratings.panel.rater_names == ("ana", "bo")
    said = Surrogate.of(ratings, prior_modes(mode)).judgement
    assert said is not None
    assert said.leniency[0] > said.leniency[1] + 0.2
    unnamed = pool_study(mode, study(rate_many(6), [*lenient, *harsh]))
    assert unnamed.panel is not None
    assert unnamed.panel.raters.tolist()[:6] == [-1] * 6


def test_a_base_whose_whole_level_is_another_still_says_where_the_best_is(mode: Mode, now: datetime) -> None:
    base = hill(mode, now, 60, "b", at=0.8, raised=-0.4)
    own = hill(mode, now, 6, "o", at=0.8)
    ratings = pool_study(mode, study(own, base))
    best = find_optimum(mode, ratings, of_similarity(mode, 0.9), seed="1")
    assert best.setting.api == "leonardo"
    assert strength(mode, best.setting) == pytest.approx(0.8, abs=0.1)


def test_the_fit_tells_a_related_study_from_an_unrelated_one(mode: Mode, now: datetime) -> None:
    own = hill(mode, now, 24, "o", at=0.25)

    def learned(*ancestors: Sequence[Observation]) -> float | None:
        return fit(mode, pool_study(mode, study(own, *ancestors)), None).task_similarity

    related = learned(hill(mode, now, 40, "b", at=0.3, raised=0.2))
    unrelated = learned([replace(one, rating=6.0 - one.rating) for one in hill(mode, now, 40, "b", at=0.3)])
    odds = TASK_SIMILARITY_ODDS_PRIOR.median
    assert related is not None
    assert unrelated is not None
    assert related > odds / (1 + odds) > unrelated
    assert related > unrelated + 0.3
    assert learned() is None


def test_the_incumbent_is_of_the_study_and_the_recommendation_from_anywhere(mode: Mode, now: datetime) -> None:
    base = hill(mode, now, 80, "b", at=0.6)
    own = [replace(one, rating=2.0) for one in hill(mode, now, 3, "o", at=0.6)]
    known = find_optimum(mode, pool_study(mode, study(own, base)), of_similarity(mode, 0.9), seed="1")
    # Something much better than what it has rated is to be had; a base's setting is no incumbent of this study.
    assert known.expected_improvement > 0.3
    nothing_yet = find_optimum(mode, pool_study(mode, study((), base)), of_similarity(mode, 0.9), seed="1")
    assert strength(mode, nothing_yet.setting) == pytest.approx(0.6, abs=0.15)


def test_before_its_first_fit_a_study_has_its_bases_hyperparameters_and_no_similarity_of_it(mode: Mode) -> None:
    empty = study((), (), ())
    assert hyperparameters_of(mode, empty) == prior_modes(mode)
    farther = replace(empty.ancestors[1], hyperparameters=LEARNED)
    started = hyperparameters_of(mode, replace(empty, ancestors=(empty.ancestors[0], farther)))
    assert started.lengthscales == (0.2, 0.35, 0.6)
    assert started.task_similarity == prior_modes(mode).task_similarity
    mine = replace(LEARNED, signal_variance=2.0)
    found = hyperparameters_of(mode, replace(empty, hyperparameters=mine, ancestors=(farther,)))
    assert (found.signal_variance, found.task_similarity) == (2.0, 0.9)


def test_what_is_joined_is_joined_once_and_anew_when_anything_is_told(mode: Mode, rate_many: RateMany) -> None:
    base, own = tuple(rate_many(20)), tuple(rate_many(30)[20:])
    first = pool_study(mode, study(own, base))
    assert pool_study(mode, study(own, base)) is first
    more = pool_study(mode, study(own, (*base, replace(base[0], rating=1.0))))
    assert more.counts[len(own)] == 2
    assert len(pool_study(mode, study(own[:-1], base))) == len(first) - 1


@settings(max_examples=examples(30), deadline=None)
@given(
    ratings=st.lists(
        st.tuples(
            st.integers(0, 3),  # the generation
            st.integers(0, 11),  # the setting
            st.sampled_from([1.0, 2.5, 3.0, 5.0]),
            st.sampled_from([None, "ana", "bo", "Ana"]),
            st.sampled_from([None, "dog", "cat"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_was_told_in_any_of_them_predictions_are_finite_and_names_do_not_matter(
    mode: Mode, ratings: list[tuple[int, int, float, str | None, str | None]]
) -> None:
    drawn = list(islice(initial_design(mode, "d"), 12))

    def predicted(rename: Callable[[str | None], str | None]) -> tuple[Floats, Floats]:
        told: list[list[Observation]] = [[], [], [], []]
        for generation, place, rating, rater, picture in ratings:
            one = Observation(mode.name, drawn[place], rating, NOW, rater=rename(rater), picture=rename(picture))
            told[generation].append(one)
        known = study(told[0], *told[1:])
        pooled = pool_study(mode, known)
        learned = fit(mode, pooled, None) if pooled.total else None
        hyperparameters = hyperparameters_of(mode, replace(known, hyperparameters=learned))
        posterior = Surrogate.of(pooled, hyperparameters).posterior(encode(mode, drawn))
        chosen = choose(mode, pooled, hyperparameters, (), count=2, seed="s")
        assert len(set(chosen)) == 2
        return posterior.mean, posterior.variance

    mean, variance = predicted(lambda name: name)
    assert np.isfinite(mean).all()
    assert (variance >= 0).all()
    assert np.isfinite(variance).all()
    again = predicted(lambda name: name and f"x {name[::-1]}")
    assert np.array_equal(again[0], mean)
    assert np.array_equal(again[1], variance)
