"""Topics: how far a picture supports a caption, and what that does to the order of a search's captions."""

from math import sqrt

import numpy as np
import pytest

from captioning.model.decoding import Hypothesis
from captioning.model.topics import Topic, rank_by_support, support_of

# Dog, runs, and the pair of both, by their tokens; "runs" is the most common.
TOPICS = {(5,): Topic(0, 3.0), (6,): Topic(1, 1.0), (5, 6): Topic(2, 4.0)}
SHARES = np.array([0.5, 1.0, 0.25], np.float32)


def hypothesis(*tokens: int, score: float) -> Hypothesis:
    return Hypothesis(tokens, (-1.0,) * len(tokens), score, ended=True)


def test_the_support_is_the_expected_cosine_of_what_is_said() -> None:
    assert support_of((5, 6), TOPICS, SHARES) == pytest.approx((0.5 * 9 + 1 * 1 + 0.25 * 16) / sqrt(9 + 1 + 16))
    # The pair counts only in its own order, and words that are no topics do not count.
    assert support_of((6, 5, 9), TOPICS, SHARES) == pytest.approx((0.5 * 9 + 1 * 1) / sqrt(9 + 1))
    assert support_of((5, 9, 5), TOPICS, SHARES) == pytest.approx(0.5 * 9 / sqrt(9))


def test_a_caption_without_a_topic_has_no_support() -> None:
    assert support_of((8, 9), TOPICS, SHARES) == 0
    assert support_of((), TOPICS, SHARES) == 0


def test_what_the_picture_shows_supports_a_caption_more() -> None:
    shown, hidden = np.array([0.9, 0, 0], np.float32), np.array([0.1, 0, 0], np.float32)
    assert support_of((5,), TOPICS, shown) > support_of((5,), TOPICS, hidden)


def test_the_order_is_by_score_and_weighted_support() -> None:
    found = [hypothesis(8, score=-1.0), hypothesis(6, score=-1.2), hypothesis(5, score=-1.9)]
    ranked = rank_by_support(found, TOPICS, SHARES, 0.5)
    assert [one.tokens for one in ranked] == [(6,), (8,), (5,)]
    assert [one.score for one in ranked] == pytest.approx([-1.2 + 0.5 * 1, -1.0, -1.9 + 0.5 * 1.5])
    assert [one.support for one in ranked] == pytest.approx([1, 0, 1.5])
    assert [one.tokens for one in rank_by_support(found, TOPICS, SHARES, 2.0)] == [(5,), (6,), (8,)]


def test_without_a_weight_the_order_stays_and_the_support_is_told() -> None:
    found = [hypothesis(8, score=-1.0), hypothesis(5, score=-1.9)]
    ranked = rank_by_support(found, TOPICS, SHARES, 0.0)
    assert [(one.tokens, one.score) for one in ranked] == [((8,), -1.0), ((5,), -1.9)]
    assert [one.support for one in ranked] == pytest.approx([0, 1.5])


def test_captions_that_are_alike_keep_the_order_of_the_search() -> None:
    found = [hypothesis(8, score=-1.0), hypothesis(9, score=-1.0)]
    assert [one.tokens for one in rank_by_support(found, TOPICS, SHARES, 1.0)] == [(8,), (9,)]
