"""Reading captioned pictures in Flickr8k's layout, and turning captions into tokens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from captioning.model.vocabulary import parse_vocabulary
from tools.captioner.dataset import Features, read_captions, read_dataset, read_features, read_names
from tools.captioner.errors import DatasetError
from tools.captioner.vocabulary import END, START, UNKNOWN, build_vocabulary, encode_caption, to_json, tokenize

CAPTIONS = """image,caption
dog.jpg,A black dog 's ball .
dog.jpg,"A dog , wet , runs ."
cat.jpg,A tri-colored cat
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "captions.txt").write_text(CAPTIONS, encoding="utf-8")
    (tmp_path / "train.txt").write_text("dog.jpg\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("cat.jpg\n", encoding="utf-8")
    return tmp_path


def features_of(*names: str) -> Features:
    return Features(names, np.arange(2.0 * len(names), dtype=np.float32).reshape(-1, 2))


def test_captions_are_grouped_by_picture_as_words(folder: Path) -> None:
    assert read_captions(folder) == {
        "dog.jpg": (("a", "black", "dog", "ball"), ("a", "dog", "wet", "runs")),
        "cat.jpg": (("a", "tri", "colored", "cat"),),
    }


def test_a_split_takes_its_pictures_features_by_name_and_not_by_place(folder: Path) -> None:
    split = read_dataset(folder, "train", features_of("cat.jpg", "dog.jpg"))
    assert split.names == ("dog.jpg",)
    np.testing.assert_array_equal(split.features, [[2, 3]])
    assert len(split.captions[0]) == 2


def test_a_picture_without_features_is_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"1 images of val.txt have no features, the first is cat.jpg"):
        read_dataset(folder, "val", features_of("dog.jpg"))


def test_a_picture_without_captions_is_named(folder: Path) -> None:
    (folder / "val.txt").write_text("cat.jpg\nbird.jpg\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"have no captions, the first is bird.jpg"):
        read_dataset(folder, "val", features_of("cat.jpg", "bird.jpg"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"dog.jpg,A dog\n", "header image,caption"),
        (b"", "header image,caption"),
        (b"image,caption\ndog.jpg,A dog, wet\n", "line 2: expected image,caption"),
        (b"image,caption\ndog.jpg\n", "line 2: expected image,caption"),
        (b"image,caption\ndog.jpg,a\n,A cat\n", "line 3: expected image,caption"),
        (b'image,caption\ndog.jpg,"A dog\n', "cannot be read"),
        (b"image,caption\ndog.jpg,\xff\n", "cannot be read"),
    ],
)
def test_a_caption_file_of_another_form_is_refused_with_its_line(folder: Path, content: bytes, reason: str) -> None:
    (folder / "captions.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=reason):
        read_captions(folder)


@pytest.mark.parametrize(("content", "reason"), [("", "names no image"), ("a.jpg\nb.jpg\na.jpg\n", "twice")])
def test_a_split_without_names_or_with_one_twice_is_refused(folder: Path, content: str, reason: str) -> None:
    (folder / "train.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=reason):
        read_names(folder, "train")


@pytest.mark.parametrize("read", [read_captions, lambda folder: read_names(folder, "val")])
def test_a_missing_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(DatasetError, match=r"(captions|val)\.txt cannot be read"):
        read(tmp_path)


def test_cached_features_of_half_precision_become_float32(tmp_path: Path) -> None:
    np.savez(tmp_path / "features.npz", names=["a.jpg"], features=np.array([[0.5, 2]], np.float16))
    cached = read_features(tmp_path / "features.npz")
    assert cached.names == ("a.jpg",)
    assert cached.features.dtype == np.float32
    np.testing.assert_array_equal(cached.features, [[0.5, 2]])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"names": ["a"], "features": [[1.0], [2.0]]}, "do not go with"),
        ({"names": ["a"], "features": [1.0]}, "do not go with"),
        ({"names": ["a"], "features": [[1]]}, "do not go with"),
        ({"names": ["a"], "features": [[float("inf")]]}, "not finite"),
        ({"names": ["a"]}, "cannot be read as cached features"),
        ({"names": np.array(["a"], object), "features": [[1.0]]}, "cannot be read as cached features"),
    ],
)
def test_features_of_another_form_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], reason: str) -> None:
    np.savez(tmp_path / "features.npz", allow_pickle=True, **arrays)
    with pytest.raises(DatasetError, match=reason):
        read_features(tmp_path / "features.npz")


def test_a_file_that_holds_no_features_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DatasetError, match="cannot be read as cached features"):
        read_features(tmp_path / "features.npz")


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("Two dogs run .", ("two", "dogs", "run")),
        ("A man's hat", ("a", "mans", "hat")),
        ("A man 's hat", ("a", "man", "hat")),
        ("A T-shirt with a 5", ("a", "shirt", "with", "a", "5")),
        (" . ! ", ()),
    ],
)
def test_a_caption_is_lower_case_words_without_punctuation(caption: str, words: tuple[str, ...]) -> None:
    assert tokenize(caption) == words


def test_words_are_kept_by_count_and_ordered_by_frequency_then_alphabet() -> None:
    captions = [tokenize(caption) for caption in ("two dogs", "two dogs", "two cats", "two cats", "a bird")]
    assert build_vocabulary(captions, 2).words == ("<pad>", "<start>", "<end>", "<unk>", "two", "cats", "dogs")


def test_a_vocabulary_without_words_is_refused() -> None:
    with pytest.raises(DatasetError, match="3 times or more"):
        build_vocabulary([("a", "dog")], 3)


def test_a_caption_is_encoded_between_its_marks_and_a_cut_word_is_unknown() -> None:
    vocabulary = build_vocabulary([("a", "dog"), ("a", "dog"), ("a", "bird")], 2)
    assert encode_caption(("a", "bird", "dog"), vocabulary).tolist() == [START, 4, UNKNOWN, 5, END]


def test_the_serving_layer_reads_the_vocabulary_that_is_written() -> None:
    vocabulary = build_vocabulary([("a", "dog")], 1)
    assert parse_vocabulary(to_json(vocabulary).encode(), file="vocabulary.json") == vocabulary
