"""The decoder as a policy: it draws captions, and learns from their rewards.

The network of `tools.captioner.decoder`, its forward and its backward pass written out in NumPy: captions end at
different words, and a compiled graph would go on with all of them until the last has ended. The normalisations stay
as they were trained; everything else learns. A test holds the gradient to finite differences, and the network to
Keras's.

This module does not compute rewards and does not choose the order of pictures.
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.vocabulary import END, PADDING, START, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keras import Model
    from keras.layers import Layer
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Tokens = NDArray[np.int32]

__all__ = ["Policy", "Weights", "read_policy", "write_policy"]

# In the order of the fields of `Weights`.
_LEARNING_LAYERS: Final = ("projection", "embedding", "lstm", "hidden", "logits")


@dataclass(frozen=True, slots=True)
class Weights:
    """What learns, or its gradient: features F, units U, tokens V. The gates are in Keras's order."""

    projection_kernel: "Floats"  # [F, U]
    projection_bias: "Floats"  # [U]
    embedding: "Floats"  # [V, U]
    input_kernel: "Floats"  # [U, 4U]
    state_kernel: "Floats"  # [U, 4U]
    gates_bias: "Floats"  # [4U]
    hidden_kernel: "Floats"  # [U, U]
    hidden_bias: "Floats"  # [U]
    logits_kernel: "Floats"  # [U, V]
    logits_bias: "Floats"  # [V]

    def __iter__(self) -> "Iterator[Floats]":
        """Return the arrays, in the order of the fields."""
        return (getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class _Packed:
    """Captions without padding, longest first: word by word, the rows that still say something are the first ones.

    `rows` [N] is the place of each word's caption in that order, `tokens` [N] what was said before it, `targets` [N]
    what was said; `bounds` [T + 1] is where each step begins in the three.
    """

    order: "NDArray[np.intp]"
    rows: "NDArray[np.intp]"
    tokens: "Tokens"
    targets: "Tokens"
    bounds: "NDArray[np.intp]"

    @property
    def steps(self) -> list[slice]:
        """The words of each step."""
        return [slice(first, last) for first, last in pairwise(self.bounds.tolist())]

    @property
    def earlier(self) -> "NDArray[np.intp]":
        """For each word after a caption's first, the place of the word before it."""
        return self.rows[self.bounds[1] :] + np.repeat(self.bounds[:-2], np.diff(self.bounds[1:]))


@dataclass(frozen=True, slots=True)
class Policy:
    """The decoder over whole batches. `weights` may be changed in place."""

    weights: Weights
    features_scale: "Floats"
    features_shift: "Floats"
    image_scale: "Floats"
    image_shift: "Floats"

    def folded(self) -> "Policy":
        """Return a copy without a normalisation of the features: their scale and shift are in its weights."""
        weights = Weights(*(weight.copy() for weight in self.weights))
        return replace(
            self,
            weights=replace(
                weights,
                projection_kernel=weights.projection_kernel * self.features_scale[:, np.newaxis],
                projection_bias=weights.projection_bias + self.features_shift @ weights.projection_kernel,
            ),
            features_scale=np.ones_like(self.features_scale),
            features_shift=np.zeros_like(self.features_shift),
        )

    def project(self, features: "Floats") -> "Floats":
        """Features [pictures, F] to image vectors [pictures, U]."""
        projected = self._project(features * self.features_scale + self.features_shift)
        return projected * self.image_scale + self.image_shift

    def draw(self, images: "Floats", max_words: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """Draw one caption for each image vector [rows, U], word by word from the distributions themselves.

        A caption is its tokens with the end mark, which comes after at least one word and at most `max_words`; a
        caption cut off there has none. The other marks are never drawn.
        """
        weights = self.weights
        tokens = np.full(len(images), START, np.int32)
        h = c = np.zeros((len(images), weights.state_kernel.shape[0]), np.float32)
        alive = np.arange(len(images))
        said: list[list[int]] = [[] for _ in images]
        bias = self._spoken_bias()
        opening = bias.copy()
        opening[END] = -np.inf
        for word in range(max_words):
            gates = weights.embedding[tokens] @ weights.input_kernel + h @ weights.state_kernel + weights.gates_bias
            c, _, h = _advance(gates, c)
            hidden = np.maximum((h + images[alive]) @ weights.hidden_kernel + weights.hidden_bias, 0)
            tokens = _draw_tokens(hidden @ weights.logits_kernel + (bias if word else opening), rng)
            for row, token in zip(alive.tolist(), tokens.tolist(), strict=True):
                said[row].append(token)
            going_on = tokens != END
            if not going_on.any():
                break
            tokens, h, c, alive = tokens[going_on], h[going_on], c[going_on], alive[going_on]
        return [tuple(caption) for caption in said]

    def gradient(
        self,
        features: "Floats",
        pictures: "NDArray[np.intp]",
        captions: list[tuple[int, ...]],
        advantages: "NDArray[np.float64]",
    ) -> tuple[Weights, float]:
        """Return the loss's gradient.

        The loss is minus the mean, over all words, of a caption's advantage times its word's log-probability.

        `features` [pictures, F]; caption i, advantages[i], is of the row pictures[i] of these. Also gives the mean
        surprise, in nats per word. (REINFORCE: Williams, "Simple statistical gradient-following algorithms", 1992.)
        """
        weights = self.weights
        packed = _pack(captions)
        owners = pictures[packed.order][packed.rows]
        normalized = features * self.features_scale + self.features_shift
        projected = self._project(normalized)
        images = projected * self.image_scale + self.image_shift

        embedded = weights.embedding[packed.tokens]
        gates = embedded @ weights.input_kernel + weights.gates_bias
        units = weights.state_kernel.shape[0]
        h, c, squashed = (np.empty((len(gates), units), np.float32) for _ in range(3))
        before = packed.steps[0]
        for step in packed.steps:
            count = step.stop - step.start
            previous = slice(before.start, before.start + count)
            if step.start:
                gates[step] += h[previous] @ weights.state_kernel
            c[step], squashed[step], h[step] = _advance(
                gates[step], c[previous] if step.start else np.zeros((count, units), np.float32)
            )
            before = step
        merged = h + images[owners]
        hidden = np.maximum(merged @ weights.hidden_kernel + weights.hidden_bias, 0)
        logits = hidden @ weights.logits_kernel + self._spoken_bias()
        logits[packed.steps[0], END] = -np.inf
        probabilities = _softmax(logits)
        words = np.arange(len(packed.targets))
        surprise = float(-np.log(probabilities[words, packed.targets]).mean())

        d_logits = probabilities
        d_logits[words, packed.targets] -= 1
        d_logits *= (advantages[packed.order][packed.rows] / len(words)).astype(np.float32)[:, np.newaxis]
        d_hidden = (d_logits @ weights.logits_kernel.T) * (hidden > 0)
        d_merged = d_hidden @ weights.hidden_kernel.T
        d_gates = self._unroll(packed, gates, c, squashed, d_merged)
        d_images = _sum_by(owners, d_merged, len(features))
        d_projected = d_images * self.image_scale * (projected > 0)
        return (
            Weights(
                projection_kernel=normalized.T @ d_projected,
                projection_bias=d_projected.sum(axis=0),
                embedding=_sum_by(packed.tokens, d_gates @ weights.input_kernel.T, len(weights.embedding)),
                input_kernel=embedded.T @ d_gates,
                state_kernel=h[packed.earlier].T @ d_gates[packed.bounds[1] :],
                gates_bias=d_gates.sum(axis=0),
                hidden_kernel=merged.T @ d_hidden,
                hidden_bias=d_hidden.sum(axis=0),
                logits_kernel=hidden.T @ d_logits,
                logits_bias=d_logits.sum(axis=0),
            ),
            surprise,
        )

    def _unroll(self, packed: _Packed, gates: "Floats", c: "Floats", squashed: "Floats", d_h: "Floats") -> "Floats":
        """Go back through the LSTM: from the gradient of each word's state, without later words, to that of its gates.

        `gates` holds the gates after their activations, `squashed` tanh(c).
        """
        units = self.weights.state_kernel.shape[0]
        d_gates = np.empty_like(gates)
        d_state = np.zeros((0, units), np.float32)
        d_cell = np.zeros((0, units), np.float32)
        steps = packed.steps
        for place in range(len(steps) - 1, -1, -1):
            step = steps[place]
            count = step.stop - step.start
            admit, forget, candidate, expose = np.split(gates[step], 4, axis=1)
            d = d_h[step].copy()
            d[: len(d_state)] += d_state
            d_c = d * expose * (1 - squashed[step] ** 2)
            d_c[: len(d_cell)] += d_cell
            if place:
                start = steps[place - 1].start
                remembered = c[start : start + count]
            else:
                remembered = np.zeros((count, units), np.float32)
            d_gates[step] = np.concatenate(
                (
                    d_c * candidate * admit * (1 - admit),
                    d_c * remembered * forget * (1 - forget),
                    d_c * admit * (1 - candidate**2),
                    d * squashed[step] * expose * (1 - expose),
                ),
                axis=1,
            )
            d_cell = d_c * forget
            d_state = d_gates[step] @ self.weights.state_kernel.T
        return d_gates

    def _project(self, normalized: "Floats") -> "Floats":
        projected: Floats = np.maximum(normalized @ self.weights.projection_kernel + self.weights.projection_bias, 0)
        return projected

    def _spoken_bias(self) -> "Floats":
        bias = self.weights.logits_bias.copy()
        bias[[PADDING, START, UNKNOWN]] = -np.inf
        return bias


def read_policy(network: "Model") -> Policy:
    """Take the policy out of a network that `build_decoder` built; its arrays are copies."""
    arrays = (array for name in _LEARNING_LAYERS for array in network.get_layer(name).get_weights())
    return Policy(
        Weights(*arrays),
        *_as_affine(network.get_layer("features_normalization")),
        *_as_affine(network.get_layer("projection_normalization")),
    )


def write_policy(policy: Policy, network: "Model") -> None:
    """Give a network that `build_decoder` built the weights of a policy of its sizes."""
    arrays = iter(policy.weights)
    for name in _LEARNING_LAYERS:
        layer = network.get_layer(name)
        layer.set_weights([next(arrays) for _ in layer.weights])
    for name, scale, shift in (
        ("features_normalization", policy.features_scale, policy.features_shift),
        ("projection_normalization", policy.image_scale, policy.image_shift),
    ):
        layer = network.get_layer(name)
        # With this variance the layer divides by one.
        layer.set_weights([scale, shift, np.zeros_like(shift), np.full_like(shift, 1 - layer.epsilon)])


def _as_affine(normalization: "Layer") -> "tuple[Floats, Floats]":
    gamma, beta, mean, variance = normalization.get_weights()
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return scale, beta - mean * scale


def _advance(gates: "Floats", c: "Floats") -> "tuple[Floats, Floats, Floats]":
    """One LSTM step: the gates, activated in place, and the cell before to the cell, its tanh, and the state."""
    units = c.shape[1]
    candidate = slice(2 * units, 3 * units)
    squashed = np.tanh(gates[:, candidate])
    # One pass of tanh is the cheapest sigmoid: 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2.
    np.tanh(gates * np.float32(0.5), out=gates)
    gates += 1
    gates *= np.float32(0.5)
    gates[:, candidate] = squashed
    c = gates[:, units : 2 * units] * c + gates[:, :units] * squashed
    exposed = np.tanh(c)
    return c, exposed, gates[:, 3 * units :] * exposed


def _draw_tokens(logits: "Floats", rng: np.random.Generator) -> "Tokens":
    cumulated = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1, dtype=np.float64)
    thresholds = rng.random((len(logits), 1)) * cumulated[:, -1:]
    # Strictly greater, so that a token of no probability is never the first to pass the threshold.
    tokens: Tokens = (cumulated > thresholds).argmax(axis=1).astype(np.int32)
    return tokens


def _softmax(logits: "Floats") -> "Floats":
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _pack(captions: list[tuple[int, ...]]) -> _Packed:
    lengths = np.array([len(caption) for caption in captions])
    order = np.argsort(-lengths, kind="stable")
    counts = [int((lengths > step).sum()) for step in range(lengths.max())]
    targets = np.concatenate(
        [np.array([captions[row][step] for row in order[:count]], np.int32) for step, count in enumerate(counts)]
    )
    bounds = np.concatenate([[0], np.cumsum(counts)])
    rows = np.concatenate([np.arange(count) for count in counts])
    tokens = np.full_like(targets, START)
    for step, count in enumerate(counts[1:], start=1):
        tokens[bounds[step] : bounds[step + 1]] = targets[bounds[step - 1] : bounds[step - 1] + count]
    return _Packed(order, rows, tokens, targets, bounds)


def _sum_by(groups: "NDArray[np.integer]", rows: "Floats", count: int) -> "Floats":
    """Sum the rows [N, U] of each group: [count, U]."""
    sums = np.zeros((count, rows.shape[1]), np.float32)
    order = np.argsort(groups, kind="stable")
    present, first = np.unique(groups[order], return_index=True)
    sums[present] = np.add.reduceat(rows[order], first, axis=0)
    return sums
