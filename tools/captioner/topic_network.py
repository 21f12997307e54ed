"""The network of the bundle that tells from a picture's features which share of people's captions has each topic.

Two layers on standardised features. Most of the features are hidden while it learns, and most of the numbers between.
The cross-entropy of each topic's share; Adam, its rate falling to 0 along a cosine. It learns from the training
pictures alone. The standardisation becomes part of its first layer. What is done with the shares:
`captioning.model.topics`.

Captions that repeat nothing have no topics, and need no network.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.topics import Topic
from tools.captioner.progress import announce, progress
from tools.captioner.toolchain import require_tensorflow
from tools.captioner.topics import cross_entropy, list_topics, share_of_captions, usual_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset

    Floats = NDArray[np.float32]

__all__ = ["TopicNetwork", "learn_topics", "with_topics"]

_UNITS: Final = 1024
_EPOCHS: Final = 15
_AT_ONCE: Final = 64
_RATE: Final = 1e-3
_HIDDEN: Final = 0.6
_LEAST_DEVIATION: Final = 1e-3
_RARITY_DIGITS: Final = 4
_LEAST_RARITY: Final = 1e-4


@dataclass(frozen=True, slots=True)
class TopicNetwork:
    """The weights, float32: features F to units U, which are rectified, and these to topics T, before the sigmoid."""

    hidden_kernel: "Floats"  # [F, U]
    hidden_bias: "Floats"  # [U]
    kernel: "Floats"  # [U, T]
    bias: "Floats"  # [T]

    def shares(self, features: "Floats") -> "Floats":
        """Return the shares, 0 to 1, float32 [pictures, topics], by features [pictures, features]."""
        hidden = np.maximum(features @ self.hidden_kernel + self.hidden_bias, 0)
        shares: Floats = (1 / (1 + np.exp(-(hidden @ self.kernel + self.bias)))).astype(np.float32)
        return shares


def with_topics(vocabulary: "Vocabulary", training: "Dataset") -> "Vocabulary":
    """Give a vocabulary the topics of the training captions that are made of its words, each with its rarity.

    The rarity is the natural logarithm of the pictures over those of whose captions one or more has the topic.
    """
    tokens = {word: token for token, word in enumerate(vocabulary.words)}
    listed = [topic for topic in list_topics(training.captions) if tokens.keys() >= set(topic)]
    pictures = (share_of_captions(training.captions, listed) > 0).sum(axis=0)
    # A topic of every picture is hardly rare, but a bundle's rarity is above 0.
    rarities = np.log((len(training.names) + 1) / pictures).round(_RARITY_DIGITS).clip(_LEAST_RARITY).tolist()
    spelled = [tuple(tokens[word] for word in topic) for topic in listed]
    return replace(vocabulary, topics={topic: Topic(place, rarities[place]) for place, topic in enumerate(spelled)})


def learn_topics(training: "Dataset", vocabulary: "Vocabulary", seed: int) -> TopicNetwork:
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
        [
            layers.Input((standard.shape[1],)),
            layers.Dropout(_HIDDEN),
            layers.Dense(_UNITS, activation="relu"),
            layers.Dropout(_HIDDEN),
            layers.Dense(len(spelled)),
        ]
    )
    network.layers[-1].bias.assign(usual_logits(shares))
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(network.trainable_variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def learn(rows: "NDArray[np.intp]", said: "Floats") -> object:
        with tf.GradientTape() as tape:
            logits = network(tf.gather(standard, rows), training=True)
            loss = cross_entropy(said, logits)
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
    hidden_kernel, hidden_bias, kernel, bias = network.get_weights()
    scaled = hidden_kernel / deviation[:, np.newaxis]
    return TopicNetwork(scaled.astype(np.float32), (hidden_bias - mean @ scaled).astype(np.float32), kernel, bias)
