"""What the encoder learns from: the words and the pairs of words that people say of pictures."""

import numpy as np

from tools.captioner.topics import list_topics, share_of_captions

DOG = ("a", "brown", "dog", "runs", "on", "the", "grass")
CAT = ("a", "cat", "sleeps")


def test_words_and_pairs_count_once_per_caption_and_articles_and_joining_words_do_not() -> None:
    captions = [[DOG, (*DOG, "with", "a", "dog")]] * 13 + [[CAT]] * 10
    topics = list_topics(captions)
    assert topics[:3] == (("a", "brown"), ("brown",), ("brown", "dog"))
    assert {("dog", "runs"), ("cat",), ("sleeps",), ("the", "grass"), ("on",)} <= set(topics)
    # Said by 10 captions, a pair is not worth learning; what only joins never is.
    assert not {("a",), ("the",), ("on", "the"), ("with", "a"), ("cat", "sleeps")} & set(topics)


def test_shares_are_those_of_a_pictures_own_captions() -> None:
    shares = share_of_captions([[DOG, CAT], [CAT]], (("dog",), ("brown", "dog"), ("sleeps",), ("bird",)))
    np.testing.assert_array_equal(shares, np.array([[0.5, 0.5, 0.5, 0], [0, 0, 1, 0]], np.float32))


def test_captions_that_repeat_nothing_have_no_topics() -> None:
    assert list_topics([[DOG]] * 9) == ()
    assert list_topics([[DOG]] * 10)
