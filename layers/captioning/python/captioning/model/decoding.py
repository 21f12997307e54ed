"""Decoding: from the decoder's distributions to the most probable captions, by beam search.

Only NumPy, over a `Step` function; this module knows neither pictures, words nor the runtime. It never produces tokens
that the caller bars, captions without a word, captions longer than `max_words`, and repetitions (see `Decoding`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.errors import DecodingError

MAX_BEAM_WIDTH = 10
MAX_WORDS = 100
MAX_LENGTH_PENALTY = 5.0
MAX_NO_REPEAT_NGRAM = 10
MAX_TOPIC_WEIGHT = 100.0

_STRETCHES = 8
"""Slices of the vocabulary per wanted candidate; the highest values of the slices are compared first."""

Floats = NDArray[np.float32]
Tokens = NDArray[np.int32]

Step = Callable[[Tokens, NDArray[np.intp]], Floats]
"""`step(tokens [B], parents [B]) -> logits [B, V]`: the next word's logits, where row b has appended `tokens[b]` to the
words of row `parents[b]` of the previous call."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a caption is chosen.

    `beam_width`, 1 to 10: hypotheses kept after each word; 1 is greedy decoding.
    `length_penalty`, 0 to 5: a hypothesis is ranked by its log-probability divided by its length (in words, the end
    mark included) to this power. 0 ranks by probability alone and favours short captions; 1 ranks by the mean.
    `max_words`, 1 to 100: the longest caption.
    `no_repeat_ngram`, 0 to 10: with n > 0, no sequence of n words occurs twice in a caption, and no word directly
    follows itself. With the default of 2, "a large large" is impossible, and so are longer loops; so are correct
    repetitions such as "a man in a red hat and a woman in a blue hat" ("in a"). 0 allows all.
    `topic_weight`, 0 to 100: what a caption's support by the picture's topics counts beside that, for a bundle that has
    topics (see `captioning.model.topics`). With 0 it counts nothing. It orders what the search found, so that it
    changes nothing with a `beam_width` of 1.

    Raises:
        DecodingError: a value is outside its limits.
    """

    beam_width: int
    length_penalty: float
    max_words: int
    no_repeat_ngram: int = 2
    topic_weight: float = 0.0

    def __post_init__(self) -> None:
        _require_whole("beam_width", self.beam_width, 1, MAX_BEAM_WIDTH)
        _require_whole("max_words", self.max_words, 1, MAX_WORDS)
        _require_whole("no_repeat_ngram", self.no_repeat_ngram, 0, MAX_NO_REPEAT_NGRAM)
        _require_number("length_penalty", self.length_penalty, MAX_LENGTH_PENALTY)
        _require_number("topic_weight", self.topic_weight, MAX_TOPIC_WEIGHT)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A caption in tokens, without the end mark.

    `log_probabilities` has one natural logarithm per word, as the model gave them. `score` ranks hypotheses of one
    search; it includes the end mark if the caption `ended`, and not if it was cut off at `max_words`. `support` is how
    far the picture's topics support the caption, None without topics; the score then includes it.
    """

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    score: float
    ended: bool
    support: float | None = None

    @property
    def confidence(self) -> float:
        """The geometric mean of the words' probabilities, 0 to 1."""
        return float(np.exp(np.mean(self.log_probabilities)))


@dataclass(frozen=True, slots=True)
class _Partial:
    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    total: float


def search(step: Step, *, start: int, end: int, barred: NDArray[np.bool_], decoding: Decoding) -> list[Hypothesis]:
    """Find the most probable captions, best first; at least one, each of at least one word.

    Beam search with length normalisation. At each word, the extensions of all partial captions are ranked by
    probability: those among the best `beam_width` that end are finished, and the best `beam_width` that do not end go
    on. The search stops when `beam_width` captions are finished or at `max_words`; captions cut off there are returned
    only if none is finished.
    (The stopping rule of fairseq, Ott et al. 2019. Ranking by log-probability over length^alpha: Wu et al. 2016,
    "Google's neural machine translation system", section 7, the form before the one that they settled on.)

    `barred` [V] marks the tokens that are never produced; `end` is never the first. The probabilities of the other
    tokens are not rescaled. `step` is called once per word, always with `beam_width` rows. Ties go to the better-ranked
    parent, then to the smaller token.

        score = (sum of log-probabilities) / length^length_penalty

    Raises:
        ValueError: the logits are not finite.
    """
    width = decoding.beam_width
    never = np.flatnonzero(barred)
    live = [_Partial((), (), 0.0)]
    tokens, parents = np.full(width, start, np.int32), np.zeros(width, np.intp)
    finished: list[Hypothesis] = []
    for _ in range(decoding.max_words):
        logits = step(tokens, parents)[: len(live)]
        normalizers = _log_sum_exp(logits)
        candidates = _extensions(live, logits, normalizers, end=end, barred=never, decoding=decoding)
        extended: list[tuple[int, _Partial]] = []
        for rank, (row, token) in enumerate(candidates):
            log_probability = float(logits[row, token] - normalizers[row])
            partial = live[row]
            if token != end:
                words = (*partial.tokens, token)
                probabilities = (*partial.log_probabilities, log_probability)
                extended.append((row, _Partial(words, probabilities, partial.total + log_probability)))
            elif rank < width:
                score = (partial.total + log_probability) / (len(partial.tokens) + 1) ** decoding.length_penalty
                finished.append(Hypothesis(partial.tokens, partial.log_probabilities, score, ended=True))
        if not extended:
            break
        live = [partial for _, partial in extended[:width]]
        if len(finished) >= width:
            break
        rows = [row for row, _ in extended[:width]]
        # Spare rows repeat the first: with a batch of constant size the runtime allocates no new buffers.
        spare = width - len(live)
        tokens = np.array([partial.tokens[-1] for partial in live] + [live[0].tokens[-1]] * spare, np.int32)
        parents = np.array(rows + [rows[0]] * spare, np.intp)
    if not finished:
        finished = [
            Hypothesis(
                partial.tokens,
                partial.log_probabilities,
                partial.total / len(partial.tokens) ** decoding.length_penalty,
                ended=False,
            )
            for partial in live
        ]
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)


def _extensions(
    live: list[_Partial],
    logits: Floats,
    normalizers: NDArray[np.float64],
    *,
    end: int,
    barred: NDArray[np.intp],
    decoding: Decoding,
) -> list[tuple[int, int]]:
    """Rank the most probable (row, token), twice `beam_width`: so `beam_width` remain without those that end."""
    totals = logits + (np.array([partial.total for partial in live]) - normalizers)[:, np.newaxis]
    totals[:, barred] = -np.inf
    for row, partial in enumerate(live):
        totals[row, _repetitions(partial.tokens, decoding.no_repeat_ngram)] = -np.inf
        if not partial.tokens:
            totals[row, end] = -np.inf
    flat = totals.ravel()
    count = min(2 * decoding.beam_width, flat.size)
    # The threshold is the `count`-th highest of the slices' highest values, so that all wanted values reach it and few
    # others do. Sorting these few is faster than partitioning all values.
    stretches = np.maximum.reduceat(flat, np.arange(0, flat.size, max(1, flat.size // (_STRETCHES * count))))
    threshold = np.partition(stretches, stretches.size - count)[stretches.size - count]
    chosen = np.flatnonzero((flat >= threshold) & (flat > -np.inf))
    order = chosen[np.argsort(-flat[chosen], kind="stable")][:count]
    return [(int(row), int(token)) for row, token in zip(*np.divmod(order, totals.shape[1]), strict=True)]


def _repetitions(tokens: tuple[int, ...], n: int) -> list[int]:
    """Return the tokens that would complete a sequence of `n` words for the second time, and the last word."""
    if n == 0 or not tokens:
        return []
    tail = tokens[len(tokens) - (n - 1) :]
    completed = [tokens[i + n - 1] for i in range(len(tokens) - n + 1) if tokens[i : i + n - 1] == tail]
    return [tokens[-1], *completed]


def _log_sum_exp(logits: Floats) -> NDArray[np.float64]:
    """Return what to subtract from each row's logits to get log-probabilities, [B]; relative error some 6e-8."""
    if not np.isfinite(logits).all():
        raise ValueError("the logits are not finite")
    highest = logits.max(axis=1, keepdims=True)
    sums = np.exp(logits - highest).sum(axis=1, dtype=np.float64)
    normalizers: NDArray[np.float64] = highest[:, 0] + np.log(sums)
    return normalizers


def _require_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DecodingError(f"{name} must be a whole number, not {value!r}")
    if not low <= value <= high:
        raise DecodingError(f"{name} must be between {low} and {high}, not {value}")


def _require_number(name: str, value: object, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DecodingError(f"{name} must be a number, not {value!r}")
    if not 0 <= value <= high:
        raise DecodingError(f"{name} must be between 0 and {high:g}, not {value!r}")
