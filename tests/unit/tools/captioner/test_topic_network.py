"""The network that knows topics: which it knows, what it learns, and that its conversion changes nothing.

The latter two need TensorFlow.
"""

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from captioning.model.bundle import VOCABULARY, Quantization
from captioning.model.interpreter import Decoder
from captioning.model.topics import support_of
from captioning.model.vocabulary import parse_vocabulary
from tools.captioner.dataset import Dataset
from tools.captioner.decoder import build_decoder, convert_network, network_of
from tools.captioner.errors import UnfitBundleError
from tools.captioner.topic_network import TopicNetwork, learn_topics, with_topics
from tools.captioner.verification import verify_topics
from tools.captioner.vocabulary import build_vocabulary, to_json

# Keras's, when it turns a variable into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

FEATURES = 61
ANIMALS, ACTIONS = ("dog", "cat", "bird"), ("runs", "sleeps", "sings")


def pictures(count: int, seed: int) -> Dataset:
    """Pictures of three animals doing three things, told apart by their features alone; two captions of each."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(3, size=(count, 2))
    features = rng.normal(scale=0.1, size=(count, FEATURES)).astype(np.float32)
    # Ten features for each animal and each action: most of them are hidden while the layer learns.
    for row, (animal, action) in enumerate(kinds):
        features[row, 10 * animal : 10 * animal + 10] += 1
        features[row, 30 + 10 * action : 40 + 10 * action] += 1
    # A feature that never changes, as a dead unit of an encoder.
    features[:, -1] = 2
    captions = tuple((("a", ANIMALS[animal], ACTIONS[action]), ("the", ANIMALS[animal])) for animal, action in kinds)
    return Dataset(tuple(map(str, range(count))), features, captions)


@pytest.fixture(scope="module")
def training() -> Dataset:
    return pictures(4000, 0)


def test_topics_are_what_captions_repeat_in_words_of_the_vocabulary_and_their_rarities(training: Dataset) -> None:
    words = build_vocabulary((caption for said in training.captions for caption in said), 1)
    known = with_topics(words, training)
    spelled = {" ".join(known.words[token] for token in topic): topic for topic in known.topics}
    # Nine pairs of three animals and three actions; "a dog" is a pair of what is said and what joins.
    assert {*ANIMALS, *ACTIONS, "dog runs", "bird sings", "a dog"} <= spelled.keys()
    assert "a" not in spelled
    assert [topic.place for topic in known.topics.values()] == list(range(len(known.topics)))
    dogs = sum(said[0][1] == "dog" for said in training.captions)
    assert known.topics[spelled["dog"]].rarity == pytest.approx(log(4001 / dogs), abs=1e-4)
    assert known.topics[spelled["dog runs"]].rarity > known.topics[spelled["dog"]].rarity > 0

    rare = build_vocabulary((caption for said in training.captions for caption in said), dogs * 2)
    assert all(set(topic) <= set(range(len(rare.words))) for topic in with_topics(rare, training).topics)


def test_a_topic_of_every_picture_is_rare_enough_to_be_written() -> None:
    """As the name of what all pictures of a collection show."""
    count = 30_000
    scans = Dataset(("",) * count, np.zeros((count, 1), np.float32), ((("a", "scan"),),) * count)
    known = with_topics(build_vocabulary((caption for said in scans.captions for caption in said), 1), scans)
    assert parse_vocabulary(to_json(known).encode(), file=VOCABULARY) == known
    assert [topic.rarity for topic in known.topics.values()] == [1e-4, 1e-4]


def test_captions_that_repeat_nothing_have_no_topics(training: Dataset) -> None:
    few = Dataset(training.names[:2], training.features[:2], training.captions[:2])
    vocabulary = build_vocabulary((caption for said in few.captions for caption in said), 1)
    assert with_topics(vocabulary, few) == vocabulary
    articles = build_vocabulary((("a", "the") for _ in range(10)), 1)
    assert with_topics(articles, training) == articles


def test_topics_are_written_as_the_serving_layer_reads_them(training: Dataset) -> None:
    words = build_vocabulary((caption for said in training.captions for caption in said), 1)
    known = with_topics(words, training)
    assert parse_vocabulary(to_json(known).encode(), file=VOCABULARY) == known
    assert list(parse_vocabulary(to_json(known).encode(), file=VOCABULARY).topics) == list(known.topics)
    assert parse_vocabulary(to_json(words).encode(), file=VOCABULARY) == words
    assert "topics" not in to_json(words)


def test_it_learns_which_topics_a_picture_has(training: Dataset) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    known = with_topics(build_vocabulary((caption for said in training.captions for caption in said), 1), training)
    network = learn_topics(training, known, seed=1)
    others = pictures(100, 1)
    shares = network.shares(others.features)
    assert ((shares >= 0) & (shares <= 1)).all()
    tokens = {word: token for token, word in enumerate(known.words)}
    right = 0
    for picture, said in zip(shares, others.captions, strict=True):
        supports = {
            (animal, action): support_of((tokens["a"], tokens[animal], tokens[action]), known.topics, picture)
            for animal in ANIMALS
            for action in ACTIONS
        }
        right += max(supports, key=supports.__getitem__) == said[0][1:]
    # By chance it would be 11 of 100.
    assert right >= 90
    again = learn_topics(training, known, seed=1)
    np.testing.assert_allclose(again.shares(others.features), shares, atol=1e-2)


@pytest.mark.parametrize(("quantization", "most"), [(Quantization.NONE, 1e-5), (Quantization.DYNAMIC, 0.1)])
def test_it_converts_exactly_beside_the_decoder(
    training: Dataset, quantization: Quantization, most: float, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    rng = np.random.default_rng(0)
    shapes = (FEATURES, 40), (40,), (40, 70), (70,)
    known = TopicNetwork(*(rng.normal(size=shape, scale=0.3).astype(np.float32) for shape in shapes))
    path = tmp_path / "decoder.tflite"
    path.write_bytes(convert_network(network_of(build_decoder(9, FEATURES, 0.5, 1)), quantization, known))
    decoder = Decoder(path)
    assert (decoder.topics, decoder.tokens, decoder.features) == (70, 9, FEATURES)
    assert verify_topics(known, path, training, pictures=20, quantization=quantization) < most
    with pytest.raises(UnfitBundleError, match="shares of topics differ"):
        verify_topics(replace(known, bias=known.bias + 1), path, training, pictures=20, quantization=quantization)
    path.write_bytes(convert_network(network_of(build_decoder(9, FEATURES, 0.5, 1)), quantization))
    assert Decoder(path).topics == 0
