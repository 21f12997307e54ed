"""Fitting a confidence: it finds the odds that the captions were drawn from, and is written as the manifest has it."""

import json

import numpy as np
import pytest

from captioning.model.bundle import parse_manifest
from captioning.model.confidence import Calibration, Evidence, Factor
from captioning.model.decoding import Hypothesis
from tests.support.stack import ROOT
from tools.captioner.calibration import fit_calibration, fit_picture_weights, to_document
from tools.captioner.trust import judge_trust

TRUTH = Calibration(-0.5, {Evidence.MEAN: Factor(3.0, -1.0), Evidence.LEAD: Factor(0.8, 0.0)}, 0.4)


def searches(count: int, seed: int, least_others: int = 0) -> list[list[Hypothesis]]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        surprises = -rng.gamma(2.0, 0.5, size=int(rng.integers(3, 9)))
        others = [
            Hypothesis(tuple(rng.integers(4, 40, size=5).tolist()), (-1.0,) * 5, float(-rng.gamma(2.0)), ended=True)
            for _ in range(int(rng.integers(least_others, 3)))
        ]
        words = tuple(rng.integers(4, 40, size=len(surprises)).tolist())
        found.append([Hypothesis(words, tuple(surprises.tolist()), 0.0, ended=True), *others])
    return found


def drawn(found: list[list[Hypothesis]], seed: int) -> np.ndarray:
    chances = [TRUTH.probability(hypotheses, 0) for hypotheses in found]
    return np.random.default_rng(seed).random(len(found)) < chances


def test_the_odds_that_captions_were_drawn_from_are_found_again() -> None:
    found = searches(4000, 0, least_others=1)
    calibration = fit_calibration(found, drawn(found, 1), 0.4)
    others = searches(500, 2, least_others=1)
    ours, theirs = ([model.probability(one, 0) for one in others] for model in (calibration, TRUTH))
    np.testing.assert_allclose(ours, theirs, atol=0.08)
    assert np.abs(np.subtract(ours, theirs)).mean() < 0.02
    assert judge_trust(ours, drawn(others, 3)).calibration_error < 0.06
    assert calibration.sure_from == 0.4


def test_evidence_that_says_nothing_is_believed_little() -> None:
    found = searches(400, 0)
    by_chance = np.random.default_rng(5).random(400) < 0.3
    calibration = fit_calibration(found, by_chance, 0.5)
    chances = [calibration.probability(one, 0) for one in searches(200, 1)]
    assert np.std(chances) < 0.08
    assert np.mean(chances) == pytest.approx(0.3, abs=0.05)


def test_what_a_picture_looks_like_is_learned_from_scores_and_told_of_others() -> None:
    rng = np.random.default_rng(0)
    features = rng.gamma(2.0, size=(900, 40)).astype(np.float32)
    worth = 1.0 + 0.3 * (features[:, 0] - features[:, 1])
    scores = np.square(np.maximum(worth + rng.normal(scale=0.4, size=900), 0))
    weights = fit_picture_weights(features[:600], scores[:600])
    told = features[600:] @ np.array(weights)
    assert np.corrcoef(told, worth[600:])[0, 1] > 0.95
    # Where the features tell nothing, neither do the weights.
    nothing = fit_picture_weights(features[:600], rng.permutation(scores[:600]))
    assert np.std(features @ np.array(nothing)) < 0.2 * np.std(told)


def test_a_pictures_features_count_for_what_they_tell() -> None:
    found = searches(600, 0)
    rng = np.random.default_rng(1)
    features = rng.normal(size=(600, 3)).astype(np.float32)
    came_true = rng.random(600) < 1 / (1 + np.exp(-2 * features[:, 0]))
    calibration = fit_calibration(found, came_true, 0.5, features=features, picture=(1.0, 0.0, 0.0))
    assert calibration.picture == (1.0, 0.0, 0.0)
    assert calibration.factors[Evidence.PICTURE].weight == pytest.approx(2, abs=0.4)
    chances = [calibration.probability(one, 0, row) for one, row in zip(found, features, strict=True)]
    area = judge_trust(chances, came_true).area
    assert area is not None
    assert area > 0.8
    blind = fit_calibration(found, came_true, 0.5)
    assert blind.picture == ()
    assert Evidence.PICTURE not in blind.factors


@pytest.mark.parametrize("all_good", [False, True])
def test_captions_that_are_all_alike_still_give_a_number(all_good: bool) -> None:
    found = searches(50, 0)
    calibration = fit_calibration(found, np.full(50, all_good), 0.5)
    chances = [calibration.probability(one, 0) for one in found]
    assert np.isfinite(chances).all()
    assert (np.array(chances) > 0.8).all() == all_good


def test_a_greedy_search_is_judged_by_what_it_gives() -> None:
    found = [hypotheses[:1] for hypotheses in searches(300, 0)]
    calibration = fit_calibration(found, drawn(found, 1), 0.25)
    assert set(calibration.factors) == {Evidence.MEAN, Evidence.LOWEST, Evidence.WORDS}
    assert np.isfinite([(factor.weight, factor.mean) for factor in calibration.factors.values()]).all()


def test_it_is_written_as_a_manifest_is_read() -> None:
    found = searches(300, 0)
    features = np.random.default_rng(0).random((300, 2), np.float32)
    calibration = fit_calibration(found, drawn(found, 1), 0.25, features=features, picture=(0.5, -0.25))
    manifest = json.loads((ROOT / "tests/bundles/tiny/manifest.json").read_text(encoding="utf-8"))
    manifest["confidence"] = to_document(calibration)
    assert parse_manifest(json.dumps(manifest).encode()).calibration == calibration
