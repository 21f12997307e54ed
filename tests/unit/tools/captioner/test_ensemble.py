"""Decoders as one: the product of their distributions, word by word, and what cannot be multiplied."""

from dataclasses import replace

import numpy as np
import pytest

from captioning.model.decoding import Decoding, search
from tests.support.numpy_operations import NumpyOperations
from tools.captioner.ensemble import product_of
from tools.captioner.errors import SettingsError
from tools.captioner.network import (
    Activation,
    Dense,
    Domain,
    Embedding,
    Input,
    Join,
    Lstm,
    Network,
    NetworkNode,
    Recurrent,
)

FEATURES, UNITS, TOKENS = 6, 5, 9
WEIGHTS = (0.5, 0.2, 0.3)


def member(seed: int, units: int = UNITS, tokens: int = TOKENS) -> Network:
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    picture, words, caption = Domain
    return Network(
        (
            NetworkNode("features", Input(FEATURES), (), picture, FEATURES),
            NetworkNode("projection", Dense(drawn(FEATURES, units), drawn(units), "relu"), (0,), picture, units),
            NetworkNode("embedding", Embedding(drawn(tokens, units), masked=True), (), words, units, masked=True),
            NetworkNode(
                "lstm",
                Recurrent(Lstm(drawn(units, 4 * units), drawn(units, 4 * units), drawn(4 * units))),
                (2,),
                caption,
                units,
            ),
            NetworkNode("merge", Join("add"), (3, 1), caption, units),
            NetworkNode("logits", Dense(drawn(units, tokens), drawn(tokens)), (4,), caption, tokens),
        ),
        length=0,
    )


class Run:
    """A decoder over one picture, word by word, in NumPy."""

    def __init__(self, network: Network, features: np.ndarray, width: int) -> None:
        self.network, self.xp = network, NumpyOperations()
        self.image = network.project(self.xp, features)
        self.h = self.c = np.zeros((width, network.state), np.float32)

    def step(self, tokens: np.ndarray, parents: np.ndarray) -> np.ndarray:
        logits, self.h, self.c = self.network.step(self.xp, tokens, self.h[parents], self.c[parents], self.image)
        return np.asarray(logits, np.float32)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    return wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)


# Members may be of different sizes.
MEMBERS = [member(1), member(2, units=7), member(3)]


def test_its_distribution_is_the_product_of_the_members_word_by_word() -> None:
    features = np.random.default_rng(0).normal(size=(1, FEATURES)).astype(np.float32)
    joined = Run(product_of(MEMBERS, WEIGHTS), features, 2)
    apart = [Run(one, features, 2) for one in MEMBERS]
    parents = np.arange(2)
    for tokens in ([1, 1], [4, 5], [6, 7], [8, 3]):
        given = np.array(tokens, np.int32)
        expected = sum(
            weight * log_softmax(one.step(given, parents)) for weight, one in zip(WEIGHTS, apart, strict=True)
        )
        normalised = expected - np.logaddexp.reduce(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(log_softmax(joined.step(given, parents)), normalised, atol=1e-5)
    assert joined.network.state == sum(one.state for one in MEMBERS)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_search_over_it_finds_what_one_over_the_members_side_by_side_finds(width: int) -> None:
    decoding, barred = Decoding(width, 0.7, 8), np.isin(np.arange(TOKENS), (0, 1))
    for seed in range(20):
        features = np.random.default_rng(seed).normal(size=(1, FEATURES)).astype(np.float32)
        joined = Run(product_of(MEMBERS, WEIGHTS), features, width)
        apart = [Run(one, features, width) for one in MEMBERS]

        def side_by_side(tokens: np.ndarray, parents: np.ndarray, apart: list[Run] = apart) -> np.ndarray:
            logits = [log_softmax(one.step(tokens, parents)) for one in apart]
            return np.tensordot(WEIGHTS, np.stack(logits), axes=1).astype(np.float32)

        ours, theirs = (
            search(step, start=1, end=2, barred=barred, decoding=decoding) for step in (joined.step, side_by_side)
        )
        assert [one.tokens for one in ours] == [one.tokens for one in theirs]
        np.testing.assert_allclose([one.score for one in ours], [one.score for one in theirs], atol=1e-4)


def test_one_member_of_weight_one_is_itself() -> None:
    features = np.ones((1, FEATURES), np.float32)
    tokens, parents = np.array([1], np.int32), np.array([0])
    np.testing.assert_array_equal(
        Run(product_of(MEMBERS[:1], [1.0]), features, 1).step(tokens, parents),
        Run(MEMBERS[0], features, 1).step(tokens, parents),
    )


def test_what_cannot_be_multiplied_is_refused() -> None:
    with pytest.raises(SettingsError, match="do not go with the weights"):
        product_of(MEMBERS, [0.5, 0.5])
    with pytest.raises(SettingsError, match="do not go with the weights"):
        product_of(MEMBERS[:2], [1.0, 0.0])
    with pytest.raises(SettingsError, match="same features and tokens"):
        product_of([member(1), member(2, tokens=TOKENS + 1)], [0.5, 0.5])
    squashed = replace(MEMBERS[0].nodes[-1], operation=Activation("tanh"))
    with pytest.raises(SettingsError, match="decoder 1 does not end in a linear layer"):
        product_of([replace(MEMBERS[0], nodes=(*MEMBERS[0].nodes[:-1], squashed))], [1.0])
