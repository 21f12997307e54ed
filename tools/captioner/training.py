"""Trains the decoder on people's captions.

Teacher forcing over whole captions, label smoothing (Szegedy et al. 2016, section 7), Adam with a cosine schedule,
early stopping on the loss of the validation captions; the best weights are kept. One seed gives
the same batches and the same first weights; the sums of several threads still differ in their last digits. A run that
is interrupted goes on after its last whole epoch, and ends as if it had not been.

It uses only the two splits that it is given.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.decoder import build_decoder
from tools.captioner.errors import DatasetError
from tools.captioner.progress import announce, progress
from tools.captioner.toolchain import require_tensorflow
from tools.captioner.vocabulary import PADDING, UNKNOWN, encode_caption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keras import Model
    from keras.optimizers import Optimizer
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.checkpoint import Checkpoint
    from tools.captioner.dataset import Dataset
    from tools.captioner.settings import TrainingSettings

    Tokens = NDArray[np.int32]
    Rows = NDArray[np.int64]

__all__ = ["EncodedCaptions", "Minibatch", "TrainingSummary", "deal_batches", "train_decoder"]

# Captions are sorted by length within pools of so many batches: hardly any padding, and yet another order each epoch.
_POOL: Final = 32
_CLIPPED_NORM: Final = 5.0


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How a run went.

    The losses are cross-entropies in nats per word, without smoothing, one per epoch; the training loss is that under
    dropout. `seconds` counts whole epochs, interruptions left out.
    """

    best_epoch: int
    training_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class EncodedCaptions:
    """Captions as tokens, start to end mark, and for each the row of its picture's features."""

    rows: "Rows"
    tokens: "tuple[Tokens, ...]"


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Captions of about one length: `rows` [batch] of the features, `tokens` and `targets` [batch, words]."""

    rows: "Rows"
    tokens: "Tokens"
    targets: "Tokens"


def deal_batches(captions: EncodedCaptions, batch_size: int, rng: np.random.Generator) -> "Iterator[Minibatch]":
    """Yield every caption once, in random order, in batches of similar length, padded at their ends."""
    lengths = np.array([len(tokens) for tokens in captions.tokens])
    order = rng.permutation(len(lengths))
    chunks: list[Rows] = []
    for first in range(0, len(order), _POOL * batch_size):
        pool = order[first : first + _POOL * batch_size]
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        chunks += [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    for place in rng.permutation(len(chunks)):
        chunk = chunks[place]
        padded = np.full((len(chunk), lengths[chunk].max()), PADDING, dtype=np.int32)
        for line, index in enumerate(chunk):
            padded[line, : lengths[index]] = captions.tokens[index]
        yield Minibatch(captions.rows[chunk], padded[:, :-1], padded[:, 1:])


def train_decoder(
    training: "Dataset",
    validation: "Dataset",
    vocabulary: "Vocabulary",
    settings: "TrainingSettings",
    *,
    best: "Path",
    checkpoint: "Checkpoint",
) -> "tuple[Model, TrainingSummary]":
    """Train, and give back the network with the weights of the best epoch, which `best` (.weights.h5) also holds.

    `checkpoint` keeps what each epoch made. Raises ToolchainError without TensorFlow, DatasetError when the loss is not
    finite.
    """
    rng = np.random.default_rng(settings.seed)
    learned, judged = (_encode(split, vocabulary, settings.max_words) for split in (training, validation))
    network = build_decoder(len(vocabulary.words), training.features.shape[1], settings.dropout, settings.seed)
    steps = settings.epochs * -(-len(learned.tokens) // settings.batch_size)
    optimizer = _build_optimizer(network, settings, steps)
    learn = _compile_step(network, training.features, settings.label_smoothing, optimizer)
    judge = _compile_step(network, validation.features, settings.label_smoothing)
    # The dropout's seeds are among the variables.
    variables = [*network.variables, *optimizer.variables]
    losses: list[float] = []
    validation_losses: list[float] = []
    best_epoch, seconds = 0, 0.0
    if best.is_file() and (state := checkpoint.load()):
        for variable, saved in zip(variables, state.arrays, strict=True):
            variable.assign(saved)
        rng.bit_generator.state = state.notes["rng"]
        losses, validation_losses = state.notes["losses"], state.notes["validation_losses"]
        best_epoch, seconds = state.notes["best_epoch"], state.notes["seconds"]
        announce(f"going on after {len(losses)} of {settings.epochs} epochs")
    for epoch in range(len(losses) + 1, settings.epochs + 1):
        if epoch - best_epoch > settings.patience:
            break
        began = time.monotonic()
        title = f"epoch {epoch}/{settings.epochs}"
        losses.append(_run(learn, learned, settings.batch_size, rng, title))
        validation_losses.append(_run(judge, judged, settings.batch_size, rng, f"{title}, validation"))
        announce(f"{title}: loss {losses[-1]:.4f}, validation {validation_losses[-1]:.4f}")
        if not np.isfinite([losses[-1], validation_losses[-1]]).all():
            raise DatasetError(f"training diverged in epoch {epoch}: take a smaller --learning-rate")
        if validation_losses[-1] == min(validation_losses):
            best_epoch = epoch
            network.save_weights(best)
        seconds += time.monotonic() - began
        checkpoint.save(
            [variable.numpy() for variable in variables],
            {
                "losses": losses,
                "validation_losses": validation_losses,
                "best_epoch": best_epoch,
                "seconds": seconds,
                "rng": rng.bit_generator.state,
            },
        )
    network.load_weights(best)
    return network, TrainingSummary(best_epoch, tuple(losses), tuple(validation_losses), seconds)


def _encode(dataset: "Dataset", vocabulary: "Vocabulary", max_words: int) -> EncodedCaptions:
    pairs = [(row, caption) for row, said in enumerate(dataset.captions) for caption in said]
    return EncodedCaptions(
        np.array([row for row, _ in pairs]),
        tuple(encode_caption(caption[:max_words], vocabulary) for _, caption in pairs),
    )


def _run(
    step: "Callable[..., tuple[Tensor, Tensor]]",
    captions: EncodedCaptions,
    batch_size: int,
    rng: np.random.Generator,
    title: str,
) -> float:
    """Run a step over every batch, and return the mean loss per word."""
    sums = [
        step(batch.rows, batch.tokens, batch.targets)
        for batch in progress(list(deal_batches(captions, batch_size, rng)), title)
    ]
    loss, words = np.sum(sums, axis=0)
    return float(loss / words)


def _build_optimizer(network: "Model", settings: "TrainingSettings", steps: int) -> "Optimizer":
    """Adam, its rate falling to 0 along a cosine over `steps`, ready to be restored."""
    optimizers = require_tensorflow().keras.optimizers
    schedule = optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    optimizer: Optimizer = optimizers.Adam(schedule, clipnorm=_CLIPPED_NORM)
    optimizer.build(network.trainable_variables)
    return optimizer


def _compile_step(
    network: "Model", features: "NDArray[np.float32]", smoothing: float, optimizer: "Optimizer | None" = None
) -> "Callable[..., tuple[Tensor, Tensor]]":
    """Compile what is done with a batch: (rows, tokens, targets) -> (loss, words), both summed over the batch.

    With an optimizer, it learns from the batch; without, it only judges it.
    """
    tf = require_tensorflow()
    # The graph has the features once: a batch passes row numbers, not five copies of its features.
    held = tf.constant(features)

    def step(rows: "Tensor", tokens: "Tensor", targets: "Tensor") -> "tuple[Tensor, Tensor]":
        with tf.GradientTape() as tape:
            scores = tf.nn.log_softmax(network([tf.gather(held, rows), tokens], training=optimizer is not None))
            # A cut word is no target: the decoder learns what follows it, and never to say the mark.
            said = tf.cast((targets != PADDING) & (targets != UNKNOWN), tf.float32)
            words = tf.reduce_sum(said)
            surprise = -tf.reduce_sum(tf.gather(scores, targets, batch_dims=2) * said)
            spread = -tf.reduce_sum(tf.reduce_mean(scores, axis=-1) * said)
            objective = ((1 - smoothing) * surprise + smoothing * spread) / words
        if optimizer is not None:
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(objective, variables), variables, strict=True))
        return surprise, words

    rows = tf.TensorSpec([None], tf.int64)
    tokens = tf.TensorSpec([None, None], tf.int32)
    compiled: Callable[..., tuple[Tensor, Tensor]] = tf.function(step, input_signature=[rows, tokens, tokens])
    return compiled
