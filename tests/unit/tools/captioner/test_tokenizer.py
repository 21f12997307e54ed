"""Reading tokenizers: the words come out by number, and nothing that a pickle asks for gets in."""

import json
import os
import pickle
import struct
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from captioning.model.vocabulary import parse_vocabulary
from tools.captioner import tokenizer as module
from tools.captioner.errors import TokenizerError
from tools.captioner.tokenizer import Tokenizer, choose_vocabulary, read_tokenizer
from tools.captioner.vocabulary import to_json

SAMPLES = Path("tests/captioners")
WORDS = ("startseq", "endseq", "dog", "runs")
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
MODULES = (
    "keras.preprocessing.text",
    "keras.src.preprocessing.text",
    "keras.src.legacy.preprocessing.text",
    "keras_preprocessing.text",
    "tensorflow.python.keras.preprocessing.text",
    "tf_keras.src.preprocessing.text",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokenizer.pkl"


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def numbered(*words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words, start=1)}


@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_what_keras_pickled_and_what_it_wrote_as_json_are_the_same_words(version: str) -> None:
    pickled, written = (read_tokenizer(SAMPLES / version / f"tokenizer.{form}") for form in ("pkl", "json"))
    assert pickled == written
    assert pickled.words[:4] == ("startseq", "endseq", "the", "a")
    assert len(pickled.words) == 25
    assert pickled.limit is None
    assert not any(name.partition(".")[0] in {"keras", "tensorflow"} for name in sys.modules)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", MODULES)
def test_the_tokenizer_is_known_by_all_its_names_and_in_every_protocol(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    kind = type("Tokenizer", (), {"__module__": name})
    home = ModuleType(name)
    monkeypatch.setattr(home, "Tokenizer", kind, raising=False)
    for depth in range(1, name.count(".") + 1):
        package = ".".join(name.split(".")[:depth])
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setitem(sys.modules, name, home)
    one = kind()
    one.__dict__.update(
        word_counts=OrderedDict(numbered(*WORDS)),
        word_docs=defaultdict(int, numbered(*WORDS)),
        word_index=numbered(*WORDS),
        index_word={number: word for word, number in numbered(*WORDS).items()},
        filters='!"#',
        lower=True,
        char_level=False,
        num_words=4,
        document_count=300,
        oov_token="dog",  # noqa: S106 - no password
    )
    assert read_tokenizer(write(path, pickle.dumps(one, protocol))) == Tokenizer(WORDS, 4, "dog")


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(numbered(*WORDS)),
        pickle.dumps(OrderedDict(reversed(numbered(*WORDS).items())), 0),
        pickle.dumps(json.dumps({"class_name": "Tokenizer", "config": {"word_index": json.dumps(numbered(*WORDS))}})),
        json.dumps(numbered(*WORDS)),
        json.dumps({"word_index": numbered(*WORDS)}),
        json.dumps(json.dumps({"class_name": "Tokenizer", "config": {"word_index": json.dumps(numbered(*WORDS))}})),
    ],
    ids=["mapping", "ordered", "pickled json", "json mapping", "json object", "json in json"],
)
def test_plain_mappings_and_json_in_a_pickle_or_in_json_are_read(path: Path, content: bytes | str) -> None:
    assert read_tokenizer(write(path, content)).words == WORDS


def test_a_mapping_may_hold_the_word_word_index(path: Path) -> None:
    assert read_tokenizer(write(path, json.dumps(numbered("word_index", "end")))).words == ("word_index", "end")


class Attack:
    """Pickles to a call of `target`, which the test would notice."""

    def __init__(self, target: Callable[..., object], *arguments: object) -> None:
        self.call = (target, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "attack",
    [
        lambda witness: Attack(os.system, f"touch {witness}"),
        lambda witness: Attack(eval, f"open({str(witness)!r}, 'w')"),
        lambda witness: Attack(os.mkdir, str(witness)),
        lambda witness: {"word_index": (Attack(getattr, Attack(__import__, "os"), "mkdir"), str(witness))},
        lambda witness: OrderedDict(dog=Attack(exec, f"open({str(witness)!r}, 'w')")),
    ],
    ids=["os.system", "eval", "os.mkdir", "nested", "in a container"],
)
def test_a_pickle_that_calls_anything_is_refused_unrun(
    path: Path, tmp_path: Path, attack: Callable[[Path], object], protocol: int
) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(TokenizerError, match=r"asks for|uses"):
        read_tokenizer(write(path, pickle.dumps(attack(witness), protocol)))
    assert not witness.exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"\x80\x02cos\nsystem\n.", "asks for os.system"),
        (b"\x80\x02cbuiltins\neval\n.", "asks for builtins.eval"),
        (b"\x80\x02c__builtin__\ngetattr\n.", "asks for __builtin__.getattr"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "asks for posix.system"),
        (b"\x80\x02ckeras.preprocessing.text\nTokenizer.__init__\n.", "asks for keras.preprocessing.text.Tokenizer.__"),
        (b"\x80\x02ckeras.preprocessing.image\nTokenizer\n.", "asks for keras.preprocessing.image.Tokenizer"),
        (b"\x80\x02ccollections\nOrderedDict.fromkeys\n.", "asks for collections.OrderedDict.fromkeys"),
        (b"ccopyreg\n_reconstructor\n(cbuiltins\nint\ncbuiltins\nobject\nNtR.", "rebuilds something"),
        (b"(S'true'\nios\nsystem\n.", "uses STRING"),
        (b"\x80\x02(X\x01\x00\x00\x00xQ.", "uses BINPERSID"),
        (b"\x80\x02\x82\x01.", "uses EXT1"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "uses BYTEARRAY8"),
        (b"\x80\x05\x8d" + struct.pack("<Q", 1 << 40) + b"x.", "neither JSON nor a whole pickle"),
        (b"\x80\x02I" + b"9" * 5000 + b"\n.", "neither JSON nor a whole pickle"),
        (b"\x80\x02}]K\x01s.", "neither JSON nor a whole pickle"),
        (b"\x80\x02}" + b")\x85" * 2000 + b"K\x01s.", "over 1000 tuples"),
        (b"\x80\x02}(K\x01", "neither JSON nor a whole pickle"),
        (b"\x80\x02.", "neither JSON nor a whole pickle"),
        (b"", "neither JSON nor a whole pickle"),
        (b"a tokenizer", "neither JSON nor a whole pickle"),
        (b"\x80\x02N.", "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x02ckeras.preprocessing.text\nTokenizer\n)\x81.", "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x02ckeras.preprocessing.text\nTokenizer\n)\x81}b.", "word_index must map words to numbers"),
        (b"{", "not JSON"),
        (b"{" * 100_000, "not JSON"),
        (b'"' + b"[" * 100_000 + b'"', "not JSON"),
        (b'{"word_index": "{"}', "not JSON"),
        (b'{"word_index": []}', "word_index must map"),
    ],
)
def test_what_no_tokenizer_says_is_refused(path: Path, program: bytes, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, program))


def test_a_memo_index_of_four_billion_costs_no_memory(path: Path) -> None:
    program = pickle.dumps(numbered(*WORDS), 2)[:-1] + b"r" + struct.pack("<I", 0xFFFFFFFF) + b"."
    assert read_tokenizer(write(path, program)).words == WORDS


def test_a_file_over_its_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOKENIZER_BYTES", 50)
    with pytest.raises(TokenizerError, match="has over 50 bytes"):
        read_tokenizer(write(path, json.dumps(numbered(*WORDS)) + " " * 50))


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.pkl cannot be read: No such file"):
        read_tokenizer(path)


def test_any_damage_is_an_error_of_ours_or_harmless(path: Path) -> None:
    program = (SAMPLES / "keras3/tokenizer.pkl").read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(500):
        damaged = bytearray(program)
        for place in rng.integers(len(program), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        with suppress(TokenizerError):
            read_tokenizer(write(path, bytes(damaged)))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"start": 1, "end": 2, "dog": 4}, "holes: no word has the number 3, though there are 3 words"),
        ({"start": 1, "end": 2, "dog": 2}, "holes: no word has the number 3"),
        ({"start": 0, "end": 1}, "holes: no word has the number 2"),
        ({"start": 1, "end": -2}, "holes: no word has the number 2"),
        ({"start": 1, "end": "2"}, "maps 'end' to '2'"),
        ({"start": 1, "end": 2.0}, "maps 'end' to 2.0"),
        ({"start": 1, "end": True}, "maps 'end' to True"),
        ({"start": 1, "hot dog": 2}, "the word 'hot dog' has blanks"),
        ({"start": 1, "": 2}, "the word '' has blanks"),
        ({}, "is empty"),
    ],
)
def test_numbers_that_are_not_one_for_each_word_are_refused(path: Path, words: dict[str, object], reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, json.dumps({"word_index": words})))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"char_level": True}, "cuts captions into characters"),
        ({"num_words": "many"}, "num_words must be a whole number"),
        ({"oov_token": 7}, "oov_token a word"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(path: Path, option: dict[str, object], reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, json.dumps({"word_index": numbered(*WORDS), **option})))


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
        (("start", "end", "the", "startseq", "endseq"), ("start", "end")),
        (("startseq", "start", "end", "dog"), ("start", "end")),
    ],
)
def test_the_marks_are_found_and_of_several_pairs_the_most_frequent(
    words: tuple[str, ...], marks: tuple[str, str]
) -> None:
    chosen = choose_vocabulary(Tokenizer(words), len(words) + 1)
    assert (chosen.words[chosen.start], chosen.words[chosen.end]) == marks


def test_marks_that_are_not_found_are_asked_for_and_may_be_given() -> None:
    words = Tokenizer(("bos", "eos", "dog"))
    with pytest.raises(TokenizerError, match=r"startseq and endseq, .*--start-word and --end-word"):
        choose_vocabulary(words, 4)
    chosen = choose_vocabulary(words, 4, "bos", "eos")
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
