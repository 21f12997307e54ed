"""Teaches the encoder what people say of pictures, before any decoder learns from its features.

ImageNet's InceptionV3 tells a thousand kinds of things apart. People also say what is done, where, in which colours.
One layer on the features learns the share of a picture's captions that has each word and each pair of words; what it
learns goes on into the encoder's later blocks (Wu et al., "What value do explicit high level concepts have in vision to
language problems?", 2016, fine-tune an encoder so). The layer is thrown away, and the features stay. The blocks that
know edges and textures keep ImageNet's weights, and so do all means and variances, which become part of the kernels.

Each picture is seen cut, now and then mirrored, lighter or darker, and another way in each epoch. Adam, its rate rising
over the first tenth of the steps and then falling to 0 along a cosine. Numbers are multiplied in bfloat16 where the
processor can, which takes a third to a half of the time off; weights are float32. The same seed gives the same views in
the same order.

It refuses captions that repeat nothing, pictures that cannot be read, and losses that are not finite.
"""

import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from tools.captioner.archive import ConvolutionGroup
from tools.captioner.encoder import (
    INPUT_SIZE,
    EncoderWeights,
    build_folded_network,
    folded_group,
    list_convolutions,
)
from tools.captioner.errors import DatasetError
from tools.captioner.pictures import INPUT, read_sample
from tools.captioner.progress import announce, progress
from tools.captioner.toolchain import require_tensorflow
from tools.captioner.topics import cross_entropy, list_topics, share_of_captions, usual_logits
from tools.captioner.views import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tensorflow import Tensor

    from tools.captioner.checkpoint import Checkpoint
    from tools.captioner.settings import AdaptationSettings

    Floats = NDArray[np.float32]

__all__ = ["AdaptationSummary", "CaptionedPictures", "adapt_encoder"]

# The last block that keeps ImageNet's weights, by the name that Keras gives it.
_LAST_KEPT: Final = "mixed3"
_AT_ONCE: Final = 32
_WARM_UP: Final = 0.1
_HIDDEN: Final = 0.5
# The layer on the features: how long it learns by itself, and how much faster than the encoder afterwards.
_LAYER_EPOCHS: Final = 5
_LAYER_AT_ONCE: Final = 64
_LAYER_RATE: Final = 1e-3
_LAYER_FASTER: Final = 20
_LIGHT: Final = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class CaptionedPictures:
    """Pictures in a folder, and each one's captions as words."""

    folder: Path
    names: tuple[str, ...]
    captions: "tuple[tuple[tuple[str, ...], ...], ...]"


@dataclass(frozen=True, slots=True)
class AdaptationSummary:
    """How it went: cross-entropies in nats per picture, summed over topics, one per epoch.

    The training losses are those of cut pictures, with half of the features hidden. `before` is that of the validation
    pictures with ImageNet's features, `topics` the number of words and pairs, `arithmetic` the type of the products,
    `seconds` counts whole epochs, interruptions left out.
    """

    topics: int
    arithmetic: str
    before: float
    training_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float


def adapt_encoder(
    weights: EncoderWeights,
    training: CaptionedPictures,
    validation: CaptionedPictures,
    settings: "AdaptationSettings",
    *,
    checkpoint: "Checkpoint",
) -> tuple[EncoderWeights, AdaptationSummary]:
    """Teach the encoder, and give back its weights. The validation pictures are only reported on.

    `checkpoint` keeps what each epoch made. Raises ToolchainError without TensorFlow, DatasetError for captions without
    topics, for a picture that cannot be read and for a loss that is not finite.
    """
    topics = list_topics(training.captions)
    if not topics:
        raise DatasetError("no word is said often enough for the encoder to learn it: take --adapt-epochs 0")
    keras = require_tensorflow().keras
    shares, judged = (share_of_captions(split.captions, topics) for split in (training, validation))
    arithmetic = _arithmetic()
    with _computing_in(arithmetic):
        keras.utils.set_random_seed(settings.adapt_seed)
        student = _Student(weights, len(topics), shares)
    announce(f"the encoder learns from {len(training.names)} pictures, {len(topics)} words and pairs, in {arithmetic}")
    rng = np.random.default_rng(settings.adapt_seed)
    losses: list[float] = []
    validation_losses: list[float] = []
    steps, seconds, before = 0, 0.0, math.nan
    if state := checkpoint.load():
        student.restore(state.arrays)
        rng.bit_generator.state = state.notes["rng"]
        losses, validation_losses = state.notes["losses"], state.notes["validation_losses"]
        steps, seconds, before = state.notes["steps"], state.notes["seconds"], state.notes["before"]
        announce(f"going on after {len(losses)} of {settings.adapt_epochs} epochs")
    else:
        student.prepare(np.concatenate(list(student.encode(training))), shares, rng)
        before = student.judge(validation, judged)
    batches = -(-len(training.names) // _AT_ONCE)
    for epoch in range(len(losses) + 1, settings.adapt_epochs + 1):
        began = time.monotonic()
        title = f"encoder epoch {epoch}/{settings.adapt_epochs}"
        order = np.array_split(rng.permutation(len(training.names)), batches)
        found = []
        for rows, views in zip(progress(order, title), _look_ahead(training, order, rng), strict=True):
            rate = settings.adapt_rate * _rise_and_fall((steps + 0.5) / (settings.adapt_epochs * batches))
            found.append(student.learn(views, shares[rows], rate))
            steps += 1
        losses.append(float(np.mean(found)))
        validation_losses.append(student.judge(validation, judged))
        announce(
            f"{title}: loss {losses[-1]:.3f}, validation {validation_losses[-1]:.3f} (with ImageNet's features "
            f"{before:.3f})"
        )
        if not np.isfinite([losses[-1], validation_losses[-1]]).all():
            raise DatasetError(f"the encoder diverged in epoch {epoch}: take a smaller --adapt-rate")
        seconds += time.monotonic() - began
        checkpoint.save(
            student.state(),
            {
                "losses": losses,
                "validation_losses": validation_losses,
                "steps": steps,
                "seconds": seconds,
                "before": before,
                "rng": rng.bit_generator.state,
            },
        )
    summary = AdaptationSummary(len(topics), arithmetic, before, tuple(losses), tuple(validation_losses), seconds)
    return replace(weights, groups=student.groups()), summary


class _Student:
    """The encoder, and the layer that says from its features what people say."""

    def __init__(self, weights: EncoderWeights, topics: int, shares: "Floats") -> None:
        tf = require_tensorflow()
        layers, optimizers = tf.keras.layers, tf.keras.optimizers
        self._encoder = build_folded_network(weights)
        names = [layer.name for layer in self._encoder.layers]
        for layer in self._encoder.layers[: names.index(_LAST_KEPT) + 1]:
            layer.trainable = False
        self._layer = tf.keras.Sequential(
            [
                layers.Input((self._encoder.output_shape[1],)),
                layers.Dropout(_HIDDEN, dtype="float32"),
                layers.Dense(topics, dtype="float32"),
            ]
        )
        self._layer.layers[-1].bias.assign(usual_logits(shares))
        self._encoder_optimizer, self._layer_optimizer = optimizers.Adam(), optimizers.Adam()
        self._encoder_optimizer.build(self._encoder.trainable_variables)
        self._layer_optimizer.build(self._layer.trainable_variables)
        self._encode, self._learn, self._learn_layer = (
            tf.function(step, autograph=False) for step in (self._features_of, self._step, self._layer_step)
        )

    def prepare(self, features: "Floats", shares: "Floats", rng: np.random.Generator) -> None:
        """Let the layer learn from features as they are, so that the encoder is not taught by a beginner."""
        batches = -(-len(features) // _LAYER_AT_ONCE)
        for epoch in range(_LAYER_EPOCHS):
            self._layer_optimizer.learning_rate.assign(
                _LAYER_RATE * 0.5 * (1 + math.cos(math.pi * epoch / _LAYER_EPOCHS))
            )
            for rows in np.array_split(rng.permutation(len(features)), batches):
                self._learn_layer(features[rows], shares[rows])

    def learn(self, pictures: "Floats", shares: "Floats", rate: float) -> float:
        """Learn from pictures [n, side, side, 3] and return the loss in nats per picture."""
        self._encoder_optimizer.learning_rate.assign(rate)
        self._layer_optimizer.learning_rate.assign(_LAYER_FASTER * rate)
        return float(self._learn(pictures, shares))

    def encode(self, pictures: CaptionedPictures) -> "Iterator[Floats]":
        """Yield features of whole pictures, some at once."""
        for names in progress(
            np.array_split(np.array(pictures.names), -(-len(pictures.names) // _AT_ONCE)), "encoding"
        ):
            whole = np.concatenate([read_sample(pictures.folder / name, INPUT) for name in names.tolist()])
            yield self._encode(whole).numpy()

    def judge(self, pictures: CaptionedPictures, shares: "Floats") -> float:
        """Return the loss of whole pictures in nats per picture, nothing hidden."""
        features = np.concatenate(list(self.encode(pictures)))
        return float(cross_entropy(shares, self._layer(features, training=False)))

    def groups(self) -> tuple[ConvolutionGroup, ...]:
        """Return the encoder's convolutions, as if a normalisation that changes nothing but adds came after each."""
        found = []
        for convolution in list_convolutions(self._encoder):
            kernel, bias = convolution.get_weights()
            found.append(folded_group(kernel, bias))
        return tuple(found)

    def state(self) -> list[np.ndarray]:
        """Return all that changes while it learns."""
        return [variable.numpy() for variable in self._variables()]

    def restore(self, arrays: "Sequence[np.ndarray]") -> None:
        """Take over the state of an earlier run."""
        for variable, saved in zip(self._variables(), arrays, strict=True):
            variable.assign(saved)

    def _variables(self) -> "list[Any]":
        # The dropout's seeds are among the layer's variables.
        return [
            *self._encoder.trainable_variables,
            *self._layer.variables,
            *self._encoder_optimizer.variables,
            *self._layer_optimizer.variables,
        ]

    def _features_of(self, pictures: "Tensor") -> "Tensor":
        return require_tensorflow().cast(self._encoder(pictures, training=False), "float32")

    def _step(self, pictures: "Tensor", shares: "Tensor") -> "Tensor":
        with require_tensorflow().GradientTape() as tape:
            loss = cross_entropy(shares, self._layer(self._features_of(pictures), training=True))
        changed = self._encoder.trainable_variables, self._layer.trainable_variables
        slopes = tape.gradient(loss, changed)
        self._encoder_optimizer.apply_gradients(zip(slopes[0], changed[0], strict=True))
        self._layer_optimizer.apply_gradients(zip(slopes[1], changed[1], strict=True))
        return loss

    def _layer_step(self, features: "Tensor", shares: "Tensor") -> "Tensor":
        with require_tensorflow().GradientTape() as tape:
            loss = cross_entropy(shares, self._layer(features, training=True))
        changed = self._layer.trainable_variables
        self._layer_optimizer.apply_gradients(zip(tape.gradient(loss, changed), changed, strict=True))
        return loss


def _rise_and_fall(done: float) -> float:
    """Return the share of the highest rate at that share of all steps."""
    return min(1.0, done / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARM_UP) / (1 - _WARM_UP)))


def _look_ahead(
    pictures: CaptionedPictures, batches: "Sequence[NDArray[np.intp]]", rng: np.random.Generator
) -> "Iterator[Floats]":
    """Yield views [rows, side, side, 3] of each batch of pictures; the next ones are cut meanwhile."""

    def look(rows: "NDArray[np.intp]", seeds: "NDArray[np.int64]") -> "Floats":
        return np.stack(
            [_view(pictures.folder / pictures.names[row], seed) for row, seed in zip(rows, seeds, strict=True)]
        )

    seeds = [rng.integers(2**63, size=len(rows)) for rows in batches]
    with ThreadPoolExecutor(1) as cutter:
        coming = deque([cutter.submit(look, batches[0], seeds[0])])
        for rows, own in zip(batches[1:], seeds[1:], strict=True):
            coming.append(cutter.submit(look, rows, own))
            yield coming.popleft().result()
        yield coming.popleft().result()


def _view(path: Path, seed: int) -> "Floats":
    """Cut a view of a picture, as the encoder takes it: float32 [side, side, 3] in -1..1."""
    rng = np.random.default_rng(seed)
    try:
        part = cut(path.read_bytes(), rng).resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read as a picture: {error}") from error
    light = np.asarray(part, np.float32) * np.float32(rng.uniform(*_LIGHT) / 127.5)
    view: Floats = np.clip(light - 1, -1, 1)
    return view


def _arithmetic() -> str:
    """Name Keras's policy: bfloat16 where a graphics card or the processor multiplies such numbers, else float32."""
    if require_tensorflow().config.list_physical_devices("GPU"):
        return "mixed_bfloat16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"


@contextmanager
def _computing_in(arithmetic: str) -> "Iterator[None]":
    """Let layers that are made meanwhile compute so."""
    policies = require_tensorflow().keras.mixed_precision
    before = policies.dtype_policy()
    policies.set_global_policy(arithmetic)
    try:
        yield
    finally:
        policies.set_global_policy(before)
