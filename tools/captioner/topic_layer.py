"""The layer of the bundle that tells from a picture's features which share of people's captions has each topic.

One linear layer on standardised features, seven tenths of which are hidden while it learns, and the cross-entropy of
each topic's share; Adam, its rate falling to 0 along a cosine. It learns from the training pictures alone. The
standardisation becomes part of the layer. What is done with it: `captioning.model.topics`.

Captions that repeat nothing have no topics, and need no layer.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.topics import Topic
from tools.captioner.progress import announce, progress
from tools.captioner.toolchain import require_tensorflow
from tools.captioner.topics import list_topics, share_of_captions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset

    Floats = NDArray[np.float32]

__all__ = ["TopicLayer", "learn_topics", "with_topics"]

_EPOCHS: Final = 10
_AT_ONCE: Final = 64
_RATE: Final = 1e-3
_HIDDEN: Final = 0.7
_LEAST_SHARE: Final = 1e-4
_LEAST_DEVIATION: Final = 1e-3
_RARITY_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class TopicLayer:
    """The layer: `kernel` float32 [features, topics], `bias` float32 [topics], before the sigmoid."""

    kernel: "Floats"
    bias: "Floats"

    def shares(self, features: "Floats") -> "Floats":
        """Return the shares, 0 to 1, float32 [pictures, topics], by features [pictures, features]."""
        shares: Floats = (1 / (1 + np.exp(-(features @ self.kernel + self.bias)))).astype(np.float32)
        return shares


def with_topics(vocabulary: "Vocabulary", training: "Dataset") -> "Vocabulary":
    """Give a vocabulary the topics of the training captions that are made of its words, each with its rarity.

    The rarity is the natural logarithm of the pictures over those of whose captions one or more has the topic.
    """
    tokens = {word: token for token, word in enumerate(vocabulary.words)}
    listed = [topic for topic in list_topics(training.captions) if tokens.keys() >= set(topic)]
    pictures = (share_of_captions(training.captions, listed) > 0).sum(axis=0)
    rarities = np.round(np.log((len(training.names) + 1) / pictures), _RARITY_DIGITS).tolist()
    spelled = [tuple(tokens[word] for word in topic) for topic in listed]
    return replace(vocabulary, topics={topic: Topic(place, rarities[place]) for place, topic in enumerate(spelled)})


def learn_topics(training: "Dataset", vocabulary: "Vocabulary", seed: int) -> TopicLayer:
    """Learn the shares of the vocabulary's topics by the training pictures' features. Raises ToolchainError."""
    tf = require_tensorflow()
    spelled = [tuple(vocabulary.words[token] for token in topic) for topic in vocabulary.topics]
    shares = share_of_captions(training.captions, spelled)
    mean = training.features.mean(axis=0)
    deviation = np.maximum(training.features.std(axis=0), np.float32(_LEAST_DEVIATION))
    standard = tf.constant((training.features - mean) / deviation)
    tf.keras.utils.set_random_seed(seed)
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [layers.Input((standard.shape[1],)), layers.Dropout(_HIDDEN), layers.Dense(len(spelled))]
    )
    likely = np.clip(shares.mean(axis=0), _LEAST_SHARE, 1 - _LEAST_SHARE)
    network.layers[-1].bias.assign(np.log(likely / (1 - likely)))
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(network.trainable_variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def learn(rows: "NDArray[np.intp]", said: "Floats") -> object:
        with tf.GradientTape() as tape:
            logits = network(tf.gather(standard, rows), training=True)
            loss = tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(said, logits), axis=1))
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    rng = np.random.default_rng(seed)
    batches = -(-len(shares) // _AT_ONCE)
    for epoch in range(_EPOCHS):
        losses = []
        order = np.array_split(rng.permutation(len(shares)), batches)
        for step, rows in enumerate(progress(order, f"topics, epoch {epoch + 1}/{_EPOCHS}")):
            done = (epoch * batches + step) / (_EPOCHS * batches)
            optimizer.learning_rate.assign(_RATE * 0.5 * (1 + math.cos(math.pi * done)))
            losses.append(float(learn(rows, shares[rows])))
    announce(f"{len(spelled)} topics: loss {np.mean(losses):.3f} nats per picture")
    kernel, bias = network.layers[-1].get_weights()
    scaled = kernel / deviation[:, np.newaxis]
    return TopicLayer(scaled.astype(np.float32), (bias - mean @ scaled).astype(np.float32))
