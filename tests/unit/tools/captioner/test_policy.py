"""The policy: it draws from its own distributions, and its gradient is that of what it says it is."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tools.captioner.policy import Policy, Weights
from tools.captioner.vocabulary import END, PADDING, START, UNKNOWN

FEATURES, UNITS, TOKENS = 5, 4, 9


@pytest.fixture
def policy() -> Policy:
    rng = np.random.default_rng(0)
    shapes = {
        "projection_kernel": (FEATURES, UNITS),
        "projection_bias": (UNITS,),
        "embedding": (TOKENS, UNITS),
        "input_kernel": (UNITS, 4 * UNITS),
        "state_kernel": (UNITS, 4 * UNITS),
        "gates_bias": (4 * UNITS,),
        "hidden_kernel": (UNITS, UNITS),
        "hidden_bias": (UNITS,),
        "logits_kernel": (UNITS, TOKENS),
        "logits_bias": (TOKENS,),
    }
    weights = Weights(**{name: rng.normal(scale=0.4, size=shape).astype(np.float32) for name, shape in shapes.items()})
    affine = [rng.uniform(0.5, 1.5, size).astype(np.float32) for size in (FEATURES, FEATURES, UNITS, UNITS)]
    return Policy(weights, *affine)


def features(pictures: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(pictures, FEATURES)).astype(np.float32)


CAPTIONS = [(4, 5, END), (6, END), (4, 4, 7, 8, END), (8, 5, 6, 4)]
PICTURES = np.array([0, 0, 1, 2])


@pytest.mark.parametrize("name", [field.name for field in fields(Weights)])
def test_the_gradient_is_that_of_finite_differences(policy: Policy, name: str) -> None:
    seen = features(3)
    gradient, _ = policy.gradient(seen, PICTURES, CAPTIONS, np.ones(4))
    slope = getattr(gradient, name)
    step = 2e-2 * slope / np.linalg.norm(slope)

    def surprise(weights: np.ndarray) -> float:
        moved = replace(policy, weights=replace(policy.weights, **{name: weights}))
        return moved.gradient(seen, PICTURES, CAPTIONS, np.ones(4))[1]

    here = getattr(policy.weights, name)
    assert surprise(here + step) - surprise(here - step) == pytest.approx(4e-2 * np.linalg.norm(slope), rel=2e-2)


def test_a_captions_gradient_counts_by_its_advantage(policy: Policy) -> None:
    seen, words = features(3), sum(map(len, CAPTIONS))
    whole, _ = policy.gradient(seen, PICTURES, CAPTIONS, np.array([0.5, -2.0, 0.0, 3.0]))
    parts = [
        policy.gradient(seen, PICTURES[[row]], [CAPTIONS[row]], np.array([advantage * len(CAPTIONS[row]) / words]))[0]
        for row, advantage in ((0, 0.5), (1, -2.0), (3, 3.0))
    ]
    for array, *pieces in zip(whole, *parts, strict=True):
        np.testing.assert_allclose(array, sum(pieces), atol=1e-5)


def test_a_folded_policy_says_the_same_without_a_normalisation_of_its_own(policy: Policy) -> None:
    seen, folded = features(3), policy.folded()
    np.testing.assert_allclose(folded.project(seen), policy.project(seen), atol=1e-5)
    assert (folded.features_scale == 1).all()
    assert not folded.features_shift.any()
    assert not any(np.shares_memory(*pair) for pair in zip(folded.weights, policy.weights, strict=True))
    assert policy.gradient(seen, PICTURES, CAPTIONS, np.ones(4))[1] == pytest.approx(
        folded.gradient(seen, PICTURES, CAPTIONS, np.ones(4))[1], abs=1e-5
    )


def test_captions_are_drawn_as_often_as_the_policy_holds_them_likely(policy: Policy) -> None:
    seen = features(1)
    rows = 20_000
    drawn = policy.draw(np.repeat(policy.project(seen), rows, axis=0), 3, np.random.default_rng(0))
    assert all(1 < len(caption) <= 3 for caption in drawn)
    assert {END} >= {caption[-1] for caption in drawn if len(caption) < 3}
    assert not {PADDING, START, UNKNOWN} & {token for caption in drawn for token in caption}
    assert all(END not in caption[:-1] for caption in drawn)
    for token in (4, 5, 6, 7, 8):
        surprise = policy.gradient(seen, np.zeros(1, np.intp), [(token,)], np.ones(1))[1]
        share = sum(caption[0] == token for caption in drawn) / rows
        # Within five standard deviations of a share of so many rows.
        assert abs(share - np.exp(-surprise)) < 5 * np.sqrt(np.exp(-surprise) / rows) + 1e-4


def test_the_same_seed_draws_the_same_captions(policy: Policy) -> None:
    images = np.repeat(policy.project(features(3)), 5, axis=0)
    first, again, other = (policy.draw(images, 6, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
