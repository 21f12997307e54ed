"""Giving tokens their words: the marks are found and never guessed, and a tokenizer that does not fit is refused."""

import pytest

from captioning.model.vocabulary import parse_vocabulary
from tools.captioner.errors import TokenizerError
from tools.captioner.tokenizers.choosing import choose_vocabulary
from tools.captioner.tokenizers.reading import Tokenizer
from tools.captioner.vocabulary import to_json

WORDS = ("startseq", "endseq", "dog", "runs")


def test_the_vocabulary_is_one_that_the_serving_layer_reads() -> None:
    chosen = choose_vocabulary(Tokenizer(WORDS, unknown="dog"), 5)
    assert chosen.words == ("<pad>", *WORDS)
    assert (chosen.start, chosen.end, chosen.unknown) == (1, 2, 3)
    assert parse_vocabulary(to_json(chosen).encode(), file="vocabulary.json") == chosen


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        (("startseq", "dog", "endseq"), ("startseq", "endseq")),
        (("<start>", "dog", "<end>"), ("<start>", "<end>")),
        (("start", "end", "dog"), ("start", "end")),
        (("startseq", "endseq", "the", "start", "end"), ("startseq", "endseq")),
        (("start", "end", "the", "startseq", "endseq"), ("startseq", "endseq")),
        (("a", "end", "start", "<s>", "</s>"), ("<s>", "</s>")),
        (("end", "<bos>", "start", "<eos>"), ("<bos>", "<eos>")),
        (("[START]", "start", "[END]", "end"), ("[START]", "[END]")),
        (("STARTSEQ", "dog", "ENDSEQ"), ("STARTSEQ", "ENDSEQ")),
        (("bos", "eos", "dog"), ("bos", "eos")),
        (("startseq", "start", "end", "dog"), ("start", "end")),
    ],
)
def test_what_is_nothing_but_a_mark_goes_before_plain_words_whatever_its_number(
    words: tuple[str, ...], marks: tuple[str, str]
) -> None:
    chosen = choose_vocabulary(Tokenizer(words), len(words) + 1)
    assert (chosen.words[chosen.start], chosen.words[chosen.end]) == marks


@pytest.mark.parametrize(
    "words",
    [
        ("startseq", "endseq", "<start>", "<end>", "dog"),
        ("start", "end", "bos", "eos", "dog"),
        ("<start>", "<end>", "<START>", "<END>", "dog"),
    ],
)
def test_of_two_pairs_neither_is_taken(words: tuple[str, ...]) -> None:
    with pytest.raises(TokenizerError, match=r"several pairs that may be its marks, .*--start-word and --end-word"):
        choose_vocabulary(Tokenizer(words), 6)
    chosen = choose_vocabulary(Tokenizer(words), 6, *words[:2])
    assert (chosen.start, chosen.end) == (1, 2)


def test_marks_that_are_not_found_are_asked_for_and_may_be_given() -> None:
    words = Tokenizer(("go", "halt", "dog"))
    with pytest.raises(TokenizerError, match=r"startseq and endseq, .*--start-word and --end-word"):
        choose_vocabulary(words, 4)
    chosen = choose_vocabulary(words, 4, "go", "halt")
    assert (chosen.start, chosen.end) == (1, 2)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("startseq", None, "give both"),
        (None, "endseq", "give both"),
        ("bos", "endseq", "does not know the mark 'bos'"),
        ("startseq", "<pad>", "does not know the mark '<pad>'"),
        ("dog", "dog", "cannot both be 'dog'"),
        ("dog", "runs", "unknown words, 'dog', is also its start or end"),
    ],
)
def test_marks_that_cannot_be_are_refused(start: str | None, end: str | None, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        choose_vocabulary(Tokenizer(WORDS, unknown="dog"), 5, start, end)


@pytest.mark.parametrize(("tokens", "limit"), [(4, None), (6, None), (2, None), (4, 6), (6, 5), (4, 2)])
def test_a_vocabulary_that_does_not_fit_the_decoder_is_refused(tokens: int, limit: int | None) -> None:
    with pytest.raises(TokenizerError, match=f"has 4 words.*, and the decoder has {tokens} tokens"):
        choose_vocabulary(Tokenizer(WORDS, limit), tokens)


@pytest.mark.parametrize("limit", [3, 4])
def test_words_that_num_words_kept_from_the_decoder_are_cut(limit: int) -> None:
    assert choose_vocabulary(Tokenizer(WORDS, limit), 4).words == ("<pad>", *WORDS[:3])


def test_padding_has_a_name_of_its_own() -> None:
    assert choose_vocabulary(Tokenizer((*WORDS, "<pad>")), 6).words[0] == "<<pad>>"


@pytest.mark.parametrize("name", ["<pad>", "<PAD>", "[PAD]", "_pad_"])
def test_padding_at_another_number_than_0_is_never_said(name: str) -> None:
    chosen = choose_vocabulary(Tokenizer((*WORDS, name, "pad")), 7)
    assert chosen.paddings() == [5]
    assert chosen.barred().tolist() == [True, True, False, False, False, True, False]
    assert parse_vocabulary(to_json(chosen).encode(), file="vocabulary.json") == chosen
