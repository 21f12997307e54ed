"""Reading tokenizers: the words come out by number, and nothing that a pickle asks for gets in."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import sys
import tracemalloc
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest

from tools.captioner.errors import TokenizerError
from tools.captioner.tokenizers import containers
from tools.captioner.tokenizers.reading import Tokenizer, read_tokenizer

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
        (b"(S'true'\nios\nsystem\n.", "uses INST"),
        (b"\x80\x02(X\x01\x00\x00\x00xQ.", "uses BINPERSID"),
        (b"\x80\x02\x82\x01.", "uses EXT1"),
        (b"\x80\x05\x97.", "uses NEXT_BUFFER"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.", "neither JSON, nor a whole pickle"),
        (b"\x80\x05\x8d" + struct.pack("<Q", 1 << 40) + b"x.", "neither JSON, nor a whole pickle"),
        (b"\x80\x02I" + b"9" * 5000 + b"\n.", "neither JSON, nor a whole pickle"),
        (b"\x80\x02}]K\x01s.", "neither JSON, nor a whole pickle"),
        (b"\x80\x02}" + b")\x85" * 2000 + b"K\x01s.", "over 1000 tuples in tuples"),
        (b"\x80\x02}(K\x01", "neither JSON, nor a whole pickle"),
        (b"\x80\x02.", "neither JSON, nor a whole pickle"),
        (b"", "neither JSON, nor a whole pickle"),
        (b"a tokenizer", "neither JSON, nor a whole pickle"),
        (b"\x80\x02N.", "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x02ckeras.preprocessing.text\nTokenizer\n)\x81.", "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x02ckeras.preprocessing.text\nTokenizer\n)\x81}b.", "word_index must map words to numbers"),
        (b"{", "not JSON"),
        (b"{" * 100_000, "not JSON"),
        (b'"' + b"[" * 100_000 + b'"', "not JSON"),
        (b'{"word_index": "{"}', "not JSON"),
        (b'{"word_index": []}', "neither a Keras Tokenizer nor a mapping"),
        (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "too deep for a tokenizer"),
        (b"\x80\x02}" + b")q\x00" + b"h\x00\x85q\x00" * 2000 + b"K\x01s.", "over 1000 tuples in tuples"),
    ],
)
def test_what_no_tokenizer_says_is_refused(path: Path, program: bytes, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, program))


def test_a_memo_index_of_four_billion_costs_no_memory(path: Path) -> None:
    program = pickle.dumps(numbered(*WORDS), 2)[:-1] + b"r" + struct.pack("<I", 0xFFFFFFFF) + b"."
    assert read_tokenizer(write(path, program)).words == WORDS


def test_a_file_over_its_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_TOKENIZER_BYTES", 50)
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
        ({"start": 1, "end": 2, "dog": 4}, "no word for the number 3, though its numbers go up to 4: .*holes"),
        ({"a": 2, "start": 3, "end": 4}, "no word for the number 1, though its numbers go up to 4: .*holes"),
        ({"start": 1, "end": 10**12}, "no word for the number 2, though"),
        ({"start": 1, "end": 2, "dog": 2}, "gives the number 2 to two words, 'end' and 'dog'"),
        ({"start": 0, "end": 1}, "gives 'start' the number 0, with which captions are padded"),
        ({"start": 1, "end": -2}, "gives 'end' the number -2, and numbers begin with 0"),
        ({"start": 1, "end": "2"}, "maps 'end' to '2'"),
        ({"start": 1, "end": 2.0}, "maps 'end' to 2.0"),
        ({"start": 1, "end": True}, "maps 'end' to True"),
        ({"start": 1, "hot dog": 2}, "the word 'hot dog', with blanks"),
        ({"start": 1, "": 2}, "gives the number 2 to an empty word"),
        ({"": 0}, "no words beside padding"),
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


PADDED = ("", "[UNK]", *WORDS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, np.dtype(">i4").type])
def test_numbers_of_numpys_are_numbers_in_every_protocol(path: Path, protocol: int, kind: type) -> None:
    words = {word: kind(number) for word, number in numbered(*WORDS, *(f"w{place}" for place in range(1500))).items()}
    assert read_tokenizer(write(path, pickle.dumps(words, protocol))).words[:4] == WORDS


def test_words_of_numpys_are_words_and_other_types_of_its_are_named(path: Path) -> None:
    words = {np.str_(word): np.int64(number) for word, number in numbered(*WORDS).items()}
    assert read_tokenizer(write(path, pickle.dumps(words))).words == WORDS
    with pytest.raises(TokenizerError, match="NumPy values of the type f8, and whole numbers were looked for"):
        read_tokenizer(write(path, pickle.dumps({"a": np.float64(1)})))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["U", "S", ">U20", object])
def test_arrays_of_words_are_lists_in_every_protocol(path: Path, protocol: int, kind: str | type) -> None:
    words = np.array(["<pad>", *WORDS], kind)
    assert read_tokenizer(write(path, pickle.dumps(words, protocol))).words == WORDS
    assert read_tokenizer(write(path, pickle.dumps({"vocab": words}, protocol))).words == WORDS
    np.save(path.with_suffix(".npy"), words)
    assert read_tokenizer(path.with_suffix(".npy")).words == WORDS


def test_a_mapping_that_numpy_saved_is_read(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.array(numbered(*WORDS), object))
    assert read_tokenizer(path.with_suffix(".npy")).words == WORDS


def saved(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(np.array(WORDS)), "a list that begins with 'startseq', and padding"),
        (pickle.dumps(np.array([["<pad>", "a"], ["b", "c"]])), "is an array of 2 dimensions"),
        (
            pickle.dumps(np.array([1.5, 2.5])),
            "NumPy values of the type f8, and whole numbers were looked for, or words",
        ),
        (pickle.dumps(np.array([1, 2])), "neither a Keras Tokenizer nor a mapping"),
        (pickle.dumps(np.array([b"<pad>", b"caf\xe9"])), "array of texts that are not UTF-8"),
        (pickle.dumps(np.array(["<pad>", "a"]), 4).replace(b"K\x02\x85", b"K\x07\x85"), "not as NumPy writes it"),
        (saved([1.5]), r"is a NumPy array \(\.npy\) of the type <f8, and words were looked for"),
        (saved(["<pad>", "a"])[:-4], r"\(\.npy\), and cut off"),
        (saved(["<pad>", "a"])[:20], r"\(\.npy\), and damaged: "),
        (saved(["<pad>", "a"]).replace(b"(2,)", b"(9" + b"9" * 9 + b",)"), r"\(\.npy\), and "),
        (
            saved(np.array([{"a": 1}, numbered("a", "b")])),
            "holds 2 vocabularies that differ: the number 2 is no word in one and 'b'",
        ),
    ],
)
def test_arrays_of_other_things_get_their_true_reason(path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, content))


def test_what_a_pickle_says_once_and_repeats_costs_memory_once(path: Path) -> None:
    raw = "word".encode("utf-32-le") * 100_000
    dtype = b"cnumpy\ndtype\nC\x02U4\x85R\x94"
    state = b"(K\x01J" + struct.pack("<i", 100_000) + b"\x85h\x01\x89h\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R" + state
    program = b"\x80\x04](B" + struct.pack("<I", len(raw)) + raw + b"\x94" + dtype + array * 60 + b"e."
    program = program.replace(b"C\x02U4", b"U\x02U4")
    tracemalloc.start()
    with pytest.raises(TokenizerError, match="a list that begins with 'word'"):
        read_tokenizer(write(path, program))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Apart from the 64 MiB into which a file is read.
    assert peak < 2 * containers.MAX_TOKENIZER_BYTES


@pytest.mark.parametrize("number", [b"I1\n", b"L1L\n"])
@pytest.mark.parametrize("word", [b"caf\xc3\xa9", b"caf\xe9"], ids=["utf-8", "latin-1"])
def test_pickles_of_python_2_are_read(path: Path, number: bytes, word: bytes) -> None:
    program = b"(dp0\nS'startseq'\np1\n" + number + b"sS'" + b"".join(b"\\x%02x" % byte for byte in word) + b"'\nI2\ns."
    assert read_tokenizer(write(path, program)).words == ("startseq", "café")
    binary = b"\x80\x02}q\x00(U\x08startseqq\x01K\x01U" + bytes([len(word)]) + word + b"q\x02K\x02u."
    assert read_tokenizer(write(path, binary)).words == ("startseq", "café")


def test_numpys_numbers_in_pickles_of_python_2_are_bytes_and_no_text(path: Path) -> None:
    dtype = b"cnumpy\ndtype\n(U\x02i4K\x00K\x01tRq\x01(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    number = b"cnumpy.core.multiarray\nscalar\n(h\x01U\x04\xc3\xa9\x00\x00tR"
    words = numbered(*(f"w{place}" for place in range(1, 0xA9C3)))
    listed = b"".join(
        b"U" + bytes([len(word)]) + word.encode() + b"J" + struct.pack("<i", of) for word, of in words.items()
    )
    program = b"\x80\x02}(" + listed + b"U\x04last" + number.replace(b"(h\x01", b"(" + dtype) + b"u."
    assert read_tokenizer(write(path, program)).words[-1] == "last"


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zlib.compress,
        bz2.compress,
        lzma.compress,
        lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    ],
    ids=["gzip", "zlib", "bz2", "xz", "lzma"],
)
@pytest.mark.parametrize("content", [pickle.dumps(numbered(*WORDS)), json.dumps(numbered(*WORDS)).encode()])
def test_packed_files_are_unpacked(path: Path, pack: Callable[[bytes], bytes], content: bytes) -> None:
    assert read_tokenizer(write(path, pack(content))).words == WORDS
    with pytest.raises(TokenizerError):
        read_tokenizer(write(path, pack(content)[:-4]))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_what_joblib_dumped_is_read(path: Path, compress: int | tuple[str, int]) -> None:
    joblib.dump({word: np.int64(number) for word, number in numbered(*WORDS).items()}, path, compress=compress)
    assert read_tokenizer(path).words == WORDS


def test_a_file_that_unpacks_to_too_much_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_TOKENIZER_BYTES", 2000)
    with pytest.raises(TokenizerError, match="unpacks to over 2000 bytes"):
        read_tokenizer(write(path, gzip.compress(bytes(1 << 20))))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("form", [json.dumps, lambda words: json.dumps(words, ensure_ascii=False)])
def test_texts_are_read_in_every_unicode_with_and_without_a_mark(
    path: Path, encoding: str, form: Callable[[object], str]
) -> None:
    words = ("startseq", "endseq", "café", "犬")
    assert read_tokenizer(write(path, form(numbered(*words)).encode(encoding))).words == words


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "words", [("café", "niño", "naïve"), ("avião", "pão"), ("größer", "Übung"), ("fjäril", "blåbær")]
)
def test_texts_in_latin_1_are_read_where_they_can_be_nothing_else(
    path: Path, words: tuple[str, ...], encoding: str
) -> None:
    for text in (json.dumps(numbered(*words), ensure_ascii=False), "\n".join(("<pad>", *words))):
        found = read_tokenizer(write(path, text.encode(encoding)))
        assert found.words == words
        assert found.assumed == "its text is no Unicode, and was read as Latin-1 (Windows-1252)"


@pytest.mark.parametrize(
    ("content", "unknown"),
    [
        (json.dumps(PADDED), "[UNK]"),
        (pickle.dumps(list(PADDED)), "[UNK]"),
        (pickle.dumps(PADDED), "[UNK]"),
        ("\n".join(PADDED), "[UNK]"),
        ("\r\n".join(PADDED), "[UNK]"),
        (("\n".join(("<pad>", *PADDED[1:])) + "\n").encode("utf-16"), "[UNK]"),
        (json.dumps({"vocabulary": PADDED}), "[UNK]"),
        (json.dumps({"model": {"type": "WordLevel", "vocab": numbered(*PADDED[1:]) | {"<pad>": 0}}}), None),
        (json.dumps({str(number): word for number, word in enumerate(PADDED)}), None),
        (pickle.dumps(dict(enumerate(PADDED))), None),
        (pickle.dumps({"word_to_idx": numbered(*PADDED[1:]), "idx_to_word": dict(enumerate(PADDED))}), None),
        (json.dumps({"stoi": numbered(*PADDED[1:]), "itos": PADDED}), None),
        (json.dumps({"word2idx": numbered(*PADDED[1:]), "idx2word": dict(enumerate(PADDED[1:], start=1))}), None),
        (pickle.dumps({"wordtoix": {"<pad>": 0, **numbered(*PADDED[1:])}, "ixtoword": [None, *PADDED[1:]]}), None),
        (json.dumps({"word_index": numbered(*PADDED[1:]), "index_word": {}}), None),
        # Keras's index_word keeps what was cut from its word_index.
        (json.dumps({"word_index": numbered(*PADDED[1:]), "index_word": dict(enumerate((*PADDED, "rare")))}), None),
        (pickle.dumps((numbered(*PADDED[1:]), dict(enumerate(PADDED)))), None),
        (pickle.dumps([numbered(*PADDED[1:]), 34]), None),
        (pickle.dumps({"<PAD>": 0, **numbered(*PADDED[1:])}), None),
    ],
)
def test_lists_and_both_directions_and_what_stands_beside_them_are_read(
    path: Path, content: bytes | str, unknown: str | None
) -> None:
    found = read_tokenizer(write(path, content))
    assert found == Tokenizer(PADDED[1:], unknown=unknown)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps(WORDS), "a list that begins with 'startseq', and padding"),
        (json.dumps(["", "a", "a"]), "has the word 'a' twice"),
        (json.dumps({"1": "a", "2": "a"}), "has the word 'a' twice, with the numbers 1 and 2"),
        ('{"startseq": 1, "a": 2, "a": 3}', "says 'a' twice, with 2 and with 3"),
        (json.dumps('{"word_index": {"a": 1, "a": 2}}'), "says 'a' twice, with 1 and with 2"),
        (json.dumps({"a": "b"}), "maps 'a' to 'b', not a word to a number"),
        (json.dumps({"model": {"type": "BPE", "vocab": {}}}), r"cuts words into pieces \(BPE\)"),
        (pickle.dumps((numbered("a", "b"), numbered("a", "c"))), "holds 2 vocabularies that differ"),
        (
            pickle.dumps({"word_to_idx": numbered("a", "b"), "idx_to_word": {1: "x"}}),
            "contradicts itself: idx_to_word has 'x' by the number 1, and word_to_idx gives it none: give the one that",
        ),
        (
            json.dumps({"word_to_idx": numbered("a", "b", "c"), "idx_to_word": {1: "a", 2: "c", 3: "b"}}),
            "idx_to_word has 'c' by the number 2, and word_to_idx gives it the number 3",
        ),
        (
            json.dumps({"word2idx": numbered("a", "b"), "idx2word": {1: "a"}}),
            "word2idx gives 'b' the number 2, by which idx2word has no word",
        ),
        (
            json.dumps({"stoi": numbered("a"), "itos": ["", "a", "b"]}),
            "itos has 'b' by the number 2, and stoi gives it",
        ),
        (
            json.dumps({"stoi": numbered("a"), "itos": ["a"]}),
            "itos has 'a' by the number 0, and stoi gives it the number 1",
        ),
        (
            json.dumps({"stoi": numbered("a"), "itos": {"one": "a"}}),
            "maps 'one' to 'a' in itos, not a number to a word",
        ),
        (
            json.dumps(
                {
                    "class_name": "Tokenizer",
                    "config": {
                        "word_index": json.dumps(numbered("a", "b")),
                        "index_word": json.dumps({1: "b", 2: "a"}),
                    },
                }
            ),
            "index_word has 'b' by the number 1, and word_index gives it the number 2",
        ),
        (json.dumps([[[[[[[{"a": 1}]]]]]]]), "too deep for a tokenizer"),
        (
            json.dumps(numbered("собака"), ensure_ascii=False).encode("cp1251"),
            r"looks like JSON, in neither UTF-8, .* unmistakably, Latin-1: save it again",
        ),
        (json.dumps(numbered("kůň", "šíp", "ře"), ensure_ascii=False).encode("cp1250"), "looks like JSON, in neither"),
        (json.dumps(numbered("犬が走る"), ensure_ascii=False).encode("shift-jis"), "looks like JSON, in neither"),
        (json.dumps([1, 2]), "neither a Keras Tokenizer nor a mapping"),
        ("two words\nin a line", "nor a text of one word per line"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer .*run `git lfs pull`"),
        ("<!DOCTYPE html><html>", "a web page and not the file"),
        (b"\x89HDF\r\n\x1a\n", r"is HDF5 \(\.h5\), which holds models and weights"),
        (b"PK\x03\x04" + bytes(40), r"is a zip file; a Keras model \(\.keras\)"),
        (b"\x04\x22\x4d\x18" + bytes(40), "packed by LZ4: dump it again"),
    ],
)
def test_what_is_no_vocabulary_gets_its_true_reason(path: Path, content: bytes | str, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason):
        read_tokenizer(write(path, content))


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(TokenizerError, match="is a SavedModel folder"):
        read_tokenizer(tmp_path)
