"""Beam search: against enumeration, against a plain reference on a real decoder, and in what it must never say."""

from itertools import pairwise, product
from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray

from captioning.captioner import Captioner
from captioning.errors import DecodingError
from captioning.model.bundle import open_bundle
from captioning.model.decoding import Decoding, Hypothesis, search
from captioning.model.interpreter import Decoder, Encoder
from captioning.pictures.tensors import read_picture
from tests.support.pictures import speckled

START, END = 1, 2


class Table:
    """A decoder that is a table: the next word's logits depend on all the words before. Counts its calls."""

    def __init__(self, words: int, seed: int, sharpness: float = 1.5) -> None:
        self.words, self.seed, self.sharpness = words, seed, sharpness
        self.said: list[tuple[int, ...]] = []
        self.batches: list[int] = []

    def logits(self, said: tuple[int, ...]) -> NDArray[np.float32]:
        generator = np.random.default_rng([self.seed, *said])
        return generator.normal(0, self.sharpness, self.words).astype(np.float32)

    def step(self, tokens: NDArray[np.int32], parents: NDArray[np.intp]) -> NDArray[np.float32]:
        before = self.said or [()] * len(tokens)
        self.said = [(*before[parent], int(token)) for token, parent in zip(tokens, parents, strict=True)]
        self.batches.append(len(tokens))
        return np.array([self.logits(said) for said in self.said])


def marks(words: int, *barred: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(words), (0, START, *barred))


def found_by_search(table: Table, decoding: Decoding, barred: NDArray[np.bool_] | None = None) -> list[Hypothesis]:
    barred = marks(table.words) if barred is None else barred
    return search(table.step, start=START, end=END, barred=barred, decoding=decoding)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    normalised: NDArray[np.float64] = wide - np.log(np.sum(np.exp(wide - wide.max()))) - wide.max()
    return normalised


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
def test_a_wide_beam_finds_the_best_caption_of_all(length_penalty: float) -> None:
    # Two words and the end: at the third step there are 12 extensions, all but the two unlikeliest within the beam.
    decoding = Decoding(beam_width=10, length_penalty=length_penalty, max_words=3, no_repeat_ngram=0)
    for seed in range(60):
        table = Table(5, seed)
        everything = []
        for words in [*product((3, 4), repeat=1), *product((3, 4), repeat=2)]:
            said = (START, *words, END)
            terms = [log_softmax(table.logits(said[:place]))[said[place]] for place in range(1, len(said))]
            everything.append((sum(terms) / len(terms) ** length_penalty, words))
        best = found_by_search(table, decoding)[0]
        score, words = max(everything)
        assert best.tokens == words
        assert best.score == pytest.approx(score)


def reference(
    next_log_probabilities: object, barred: NDArray[np.bool_], decoding: Decoding
) -> list[tuple[float, tuple[int, ...]]]:
    """Beam search as one would write it down: every extension of every caption, sorted, one caption at a time."""
    assert callable(next_log_probabilities)
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for _ in range(decoding.max_words):
        extensions = []
        for total, words in live:
            log_probabilities = next_log_probabilities(words)
            for token in range(len(barred)):
                longer = (*words, token)
                if not barred[token] and not (token == END and not words) and not loops(longer, decoding):
                    extensions.append((total + log_probabilities[token], longer))
        extensions.sort(key=lambda extension: -extension[0])
        for total, words in extensions[: decoding.beam_width]:
            if words[-1] == END:
                finished.append((total / len(words) ** decoding.length_penalty, words[:-1]))
        live = [extension for extension in extensions if extension[1][-1] != END][: decoding.beam_width]
        if len(finished) >= decoding.beam_width or not live:
            break
    finished = finished or [(total / len(words) ** decoding.length_penalty, words) for total, words in live]
    return sorted(finished, key=lambda caption: -caption[0])


def loops(words: tuple[int, ...], decoding: Decoding) -> bool:
    n = decoding.no_repeat_ngram
    grams = [words[i : i + n] for i in range(len(words) - n + 1)]
    doubled = any(a == b for a, b in pairwise(words))
    return n > 0 and (doubled or len(grams) != len(set(grams)))


@pytest.mark.parametrize("beam_width", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("no_repeat_ngram", [0, 1, 2, 3])
def test_the_batched_search_equals_a_plain_one_on_a_table(beam_width: int, no_repeat_ngram: int) -> None:
    for seed in range(15):
        table = Table(7, seed)
        decoding = Decoding(beam_width, 0.7, max_words=8, no_repeat_ngram=no_repeat_ngram)
        found = found_by_search(table, decoding)
        expected = reference(lambda words, table=table: log_softmax(table.logits((START, *words))), marks(7), decoding)
        assert [h.tokens for h in found] == [words for _, words in expected]
        np.testing.assert_allclose([h.score for h in found], [score for score, _ in expected])


@pytest.mark.parametrize("beam_width", [1, 3, 5])
@pytest.mark.parametrize("no_repeat_ngram", [0, 2])
def test_a_captioners_beam_equals_a_plain_search_that_feeds_each_caption_alone(
    beam_width: int, no_repeat_ngram: int
) -> None:
    bundle = open_bundle("file://tests/bundles/tiny")
    captioner, encoder, decoder = Captioner(bundle), Encoder(bundle.encoder), Decoder(bundle.decoder)
    decoding = Decoding(beam_width, 0.7, max_words=8, no_repeat_ngram=no_repeat_ngram)
    for seed in range(6):
        picture = speckled(seed)
        image = decoder.project(encoder.encode(read_picture(picture, bundle.manifest.input)))

        def alone(words: tuple[int, ...], image: NDArray[np.float32] = image) -> NDArray[np.float64]:
            h = c = np.zeros((1, decoder.state), np.float32)
            for token in (START, *words):
                logits, h, c = decoder.step(np.array([token], np.int32), h, c, image)
            return log_softmax(logits[0])

        _, words = reference(alone, bundle.vocabulary.barred(), decoding)[0]
        mean = np.mean([alone(words[:place])[word] for place, word in enumerate(words)])
        caption = captioner.caption(picture, decoding)
        assert caption.text == bundle.vocabulary.detokenise(words)
        assert caption.confidence == pytest.approx(exp(mean), rel=1e-4)


def test_a_beam_of_one_is_greedy() -> None:
    for seed in range(30):
        table = Table(9, seed)
        (found,) = found_by_search(table, Decoding(1, 0.0, max_words=6, no_repeat_ngram=0))
        words: list[int] = []
        while len(words) < 6:
            logits = np.where(marks(9), -np.inf, table.logits((START, *words)))
            logits[END] = logits[END] if words else -np.inf
            if (token := int(logits.argmax())) == END:
                break
            words.append(token)
        assert found.tokens == tuple(words)


def test_each_word_costs_one_step_of_the_whole_beam() -> None:
    table = Table(9, 3)
    found = found_by_search(table, Decoding(4, 0.7, max_words=5))
    assert table.batches == [4] * len(table.batches)
    assert max(len(h.tokens) for h in found) <= len(table.batches) <= 5


def test_confidence_is_the_geometric_mean_of_the_words_probabilities_without_the_end() -> None:
    table = Table(6, 11)
    for hypothesis in found_by_search(table, Decoding(3, 0.7, max_words=6)):
        said = (START, *hypothesis.tokens)
        chances = [exp(log_softmax(table.logits(said[: i + 1]))[t]) for i, t in enumerate(hypothesis.tokens)]
        assert hypothesis.confidence == pytest.approx(np.prod(chances) ** (1 / len(chances)))
        assert 0 < hypothesis.confidence <= 1


def constant(*likeliest_first: int, words: int = 7) -> Table:
    """A decoder that always prefers the same words in the same order, with a long way from each to the next."""

    class Constant(Table):
        def logits(self, said: tuple[int, ...]) -> NDArray[np.float32]:  # noqa: ARG002 - it answers all alike
            logits = np.full(words, -50, np.float32)
            logits[list(likeliest_first)] = [-5.0 * place for place in range(len(likeliest_first))]
            return logits

    return Constant(words, 0)


@pytest.mark.parametrize("beam_width", [1, 3])
def test_marks_are_never_said_however_likely(beam_width: int) -> None:
    table = constant(0, START, 6, 4, END)
    for hypothesis in found_by_search(table, Decoding(beam_width, 0.7, 5), marks(7, 6)):
        assert not set(hypothesis.tokens) & {0, START, 6, END}


@pytest.mark.parametrize("beam_width", [1, 3])
def test_a_caption_has_a_word_even_if_the_model_would_end_at_once(beam_width: int) -> None:
    (best, *_) = found_by_search(constant(END, 4), Decoding(beam_width, 0.7, 5))
    assert best.tokens == (4,)
    assert best.ended


@pytest.mark.parametrize("beam_width", [1, 3])
def test_a_caption_that_never_ends_stops_at_the_most_words(beam_width: int) -> None:
    class Endless(Table):
        def logits(self, said: tuple[int, ...]) -> NDArray[np.float32]:
            logits = super().logits(said)
            logits[END] = -1e6
            return logits

    for hypothesis in found_by_search(Endless(12, 1), Decoding(beam_width, 0.7, 9)):
        assert len(hypothesis.tokens) == 9
        assert not hypothesis.ended


def test_a_caption_that_ended_is_preferred_to_one_cut_off() -> None:
    # The caption cut off is certain, the one that ended is not.
    (best, *others) = found_by_search(constant(4, END, 5, 3), Decoding(3, 0.0, 3, no_repeat_ngram=0))
    assert best.tokens == (4,)
    assert all(hypothesis.ended for hypothesis in (best, *others))


def test_a_loop_is_cut_by_the_default_and_possible_without_it() -> None:
    def greedy(max_words: int, no_repeat_ngram: int = Decoding(1, 0, 1).no_repeat_ngram) -> tuple[int, ...]:
        decoding = Decoding(1, 0.7, max_words, no_repeat_ngram)
        return found_by_search(constant(4, 5, 3, END), decoding)[0].tokens

    assert greedy(6, no_repeat_ngram=0) == (4, 4, 4, 4, 4, 4)
    assert greedy(12) == (4, 5, 4, 3, 4)
    assert greedy(12, no_repeat_ngram=1) == (4, 5, 3)
    assert greedy(6, no_repeat_ngram=3) == (4, 5, 4, 5, 3, 4)


def test_when_every_word_is_used_up_the_caption_ends() -> None:
    found = found_by_search(constant(3, 4, END, words=5), Decoding(2, 0.7, 50, no_repeat_ngram=1))
    assert {h.tokens for h in found} <= {(3,), (4,), (3, 4), (4, 3)}
    assert all(h.ended for h in found)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_no_caption(poison: float) -> None:
    def step(tokens: NDArray[np.int32], parents: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.full((len(tokens), 7), poison, np.float32)

    with pytest.raises(ValueError, match="not finite"):
        search(step, start=START, end=END, barred=marks(7), decoding=Decoding(2, 0.7, 5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("beam_width", value) for value in (0, 11, -1, 2.0, "3", True, None)),
        *(("max_words", value) for value in (0, 101, 5.5)),
        *(("no_repeat_ngram", value) for value in (-1, 11, "2")),
        *(("length_penalty", value) for value in (-0.1, 5.1, float("nan"), float("inf"), 10**400, "1", True, None)),
        *(("topic_weight", value) for value in (-0.1, 100.1, float("nan"), float("inf"), 10**400, "1", True, None)),
    ],
)
def test_an_option_outside_its_limits_is_refused_by_name(name: str, value: object) -> None:
    options: dict[str, object] = {"beam_width": 3, "length_penalty": 0.7, "max_words": 20, name: value}
    with pytest.raises(DecodingError, match=name):
        Decoding(**options)  # type: ignore[arg-type]
