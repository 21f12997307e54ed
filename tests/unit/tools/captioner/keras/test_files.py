"""Reading what Keras saved: every form gives the same decoder, and nothing else gets in. All without TensorFlow."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.support.numpy_operations import probabilities
from tools.captioner.errors import CaptionerToolError, KerasFileError
from tools.captioner.keras import files as keras_files
from tools.captioner.keras.architecture import CaptionDecoder, find_decoder
from tools.captioner.keras.files import read_keras_file
from tools.captioner.network import Normalization, Recurrent

SAMPLES = Path("tests/captioners")
WHOLE = [
    "keras2/caption_model.keras",
    "keras2/caption_model.h5",
    "keras3/caption_model.keras",
    "keras3/caption_model.h5",
]
WEIGHTS = ["keras2/caption_model.weights.h5", "keras2/legacy_weights.h5", "keras3/caption_model.weights.h5"]


def find(path: Path) -> CaptionDecoder:
    return find_decoder(read_keras_file(path))


def normalizations(decoder: CaptionDecoder) -> list[Normalization]:
    return [node.operation for node in decoder.network.nodes if isinstance(node.operation, Normalization)]


def arrays(decoder: CaptionDecoder) -> list[np.ndarray]:
    return [
        array
        for node in decoder.network.nodes
        for operation in (node.operation.cell if isinstance(node.operation, Recurrent) else node.operation,)
        for array in (getattr(operation, field.name) for field in fields(operation))
        if isinstance(array, np.ndarray)
    ]


def assert_same(one: CaptionDecoder, other: CaptionDecoder) -> None:
    for ours, theirs in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_of_any_form_is_found_to_do_what_keras_did_with_it(name: str) -> None:
    decoder = find(SAMPLES / name)
    expected = np.load(SAMPLES / name.partition("/")[0] / "expected.npz")
    assert decoder.longest == 9
    assert decoder.inputs == ("Features_Input", "Sequence_Input")
    assert [one.epsilon for one in normalizations(decoder)] == [pytest.approx(0.001), pytest.approx(0.002)]
    for features, tokens, by_keras in zip(*(expected[key] for key in expected), strict=True):
        np.testing.assert_allclose(probabilities(decoder.network, features, tokens), by_keras, atol=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_alone_are_told_by_their_shapes_and_taken_for_keras_defaults(name: str) -> None:
    found, whole = find(SAMPLES / name), find(SAMPLES / name.partition("/")[0] / "caption_model.keras")
    assert found.longest is None
    assert found.inputs is None
    assert found.assumed is not None
    assert [one.epsilon for one in normalizations(found)] == [0.001, 0.001]
    assert_same(found, whole)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_beside_a_model_take_the_place_of_its_own(name: str) -> None:
    model = read_keras_file(SAMPLES / "keras3/caption_model.keras")
    found = find_decoder(model, read_keras_file(SAMPLES / name))
    assert found.longest == 9
    assert found.assumed is None
    assert normalizations(found)[1].epsilon == pytest.approx(0.002)
    assert_same(found, find(SAMPLES / name))


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    def copied(name: str) -> Path:
        path = tmp_path / name.replace("/", "-")
        path.write_bytes((SAMPLES / name).read_bytes())
        return path

    return copied


def hdf5(path: Path, *changes: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "a") as tree:
        for change in changes:
            change(tree)
    return path


def replaced(name: str, value: np.ndarray) -> Callable[[h5py.File], object]:
    def change(tree: h5py.File) -> None:
        del tree[name]
        tree[name] = value

    return change


KERNEL = "layers/lstm/cell/vars/1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            replaced(KERNEL, np.zeros((8, 24), "f4")),
            r"decoder's that is known: found .*lstm \[6, 32\] \[8, 24\]",
        ),
        (replaced("layers/dense_2/vars/0", np.zeros((8, 24), "f4")), "not a caption decoder's"),
        (replaced(KERNEL, np.full((8, 32), np.nan, "f4")), f"array {KERNEL} holds numbers that are not finite"),
        (replaced(KERNEL, np.zeros((8, 32), "i1")), f"array {KERNEL} is of int8"),
        (replaced("layers/batch_normalization/vars/3", np.full(16, -1, "f4")), "a negative variance"),
        (lambda tree: tree.pop("layers/lstm"), "not a caption decoder's"),
        (lambda tree: tree.pop("layers"), "holds no layers"),
        (replaced(KERNEL, h5py.SoftLink("/layers/lstm/cell/vars/0")), "is a link"),
        (replaced(KERNEL, h5py.ExternalLink("/etc/hostname", "/")), "is a link"),
        (
            lambda tree: tree.create_dataset("layers/x", (8,), "f4", external=[("/etc/hostname", 0, 32)]),
            "keeps its numbers outside the file",
        ),
        (lambda tree: tree.create_dataset("layers/x", (2**20, 2**20), "f4", chunks=(1, 1)), "would take 4398"),
        (lambda tree: tree.create_group("/".join("abcdefghijklmnopqrstuvwxyz")), "or 16 levels"),
    ],
)
def test_arrays_that_are_no_decoders_or_not_in_the_file_are_refused(
    copy: Callable[[str], Path], change: Callable[[h5py.File], object], reason: str
) -> None:
    with pytest.raises(KerasFileError, match=reason):
        find(hdf5(copy("keras3/caption_model.weights.h5"), change))


def test_an_array_that_the_older_form_lists_and_lacks_is_named(copy: Callable[[str], Path]) -> None:
    path = hdf5(copy("keras2/legacy_weights.h5"), lambda tree: tree.pop("dense/dense/bias:0"))
    with pytest.raises(KerasFileError, match="the array dense/dense/bias:0 is missing"):
        find(path)


def test_a_list_of_layers_that_keras_cut_into_pieces_is_joined(copy: Callable[[str], Path]) -> None:
    def cut(tree: h5py.File) -> None:
        names = tree.attrs.pop("layer_names")
        tree.attrs["layer_names0"], tree.attrs["layer_names1"] = names[:4], names[4:]

    found = find(hdf5(copy("keras2/legacy_weights.h5"), cut))
    assert_same(found, find(SAMPLES / WHOLE[0]))


def test_the_name_that_keras_2_14_gave_the_layers_is_read_as_well(copy: Callable[[str], Path]) -> None:
    path = copy("keras2/caption_model.weights.h5")
    hdf5(path, lambda tree: tree.move("layers", "_layer_checkpoint_dependencies"))
    assert_same(find(path), find(SAMPLES / WHOLE[0]))


@pytest.mark.parametrize("name", [*WHOLE, *WEIGHTS])
def test_a_truncated_file_is_refused(copy: Callable[[str], Path], name: str) -> None:
    path = copy(name)
    size = path.stat().st_size
    for kept in (size - 1, size * 3 // 4, size // 2, 2000, 100, 8, 1, 0):
        os.truncate(path, kept)
        with pytest.raises(KerasFileError, match=str(path)):
            read_keras_file(path)


@pytest.mark.parametrize("name", [*WHOLE, *WEIGHTS])
def test_any_damage_is_an_error_of_ours_or_harmless(copy: Callable[[str], Path], name: str) -> None:
    path = copy(name)
    content = path.read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(20):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 40)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(KerasFileError):
            find(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither a zip file"),
        (b"not a model", "neither a zip file"),
        (b"PK\x03\x04" + bytes(500), "neither a zip file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer .*run `git lfs pull`"),
        (b"<!DOCTYPE html><html>", "a web page and not the file"),
        (pickle.dumps({"a": 1}), "is a pickle: of a tokenizer, name it with --tokenizer"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch file, and only what Keras saved"),
        (b"\x1c\0\0\0TFL3" + bytes(50), "a TensorFlow Lite model"),
        (b"\x93NUMPY\x01\0", r"a NumPy array \(\.npy\)"),
        (b"backend: tensorflow\nclass_name: Model\n", "description in YAML"),
        (b'{"startseq": 1}', "not a model's description .*name it with --tokenizer"),
        (b"{", "damaged"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "caption_model.keras"
    path.write_bytes(content)
    with pytest.raises(KerasFileError, match=reason):
        read_keras_file(path)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("archive/data.pkl", "a PyTorch file"),
        ("saved_model.pb", "a zipped SavedModel"),
        ("kernel.npy", r"NumPy arrays \(\.npz\)"),
    ],
)
def test_zip_files_of_others_are_named(tmp_path: Path, entry: str, reason: str) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, b"")
    with pytest.raises(KerasFileError, match=reason):
        read_keras_file(path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (("saved_model.pb",), "is a SavedModel folder: load it"),
        (("config.json", "model.weights.h5"), r"unpacked \.keras file: zip what is in it"),
        (("model.index", "model.data-00000-of-00001"), "holds a TensorFlow checkpoint"),
        ((), "is a folder, and a file is looked for"),
    ],
)
def test_folders_are_named(tmp_path: Path, entries: tuple[str, ...], reason: str) -> None:
    for entry in entries:
        (tmp_path / entry).write_bytes(b"")
    with pytest.raises(KerasFileError, match=reason):
        read_keras_file(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KerasFileError, match=r"absent\.keras cannot be read: .*No such file"):
        read_keras_file(tmp_path / "absent.keras")


def test_a_zip_file_of_something_else_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "holiday.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("beach.jpg", b"sand")
    with pytest.raises(KerasFileError, match=r"holds no config\.json, .*it holds beach\.jpg"):
        read_keras_file(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_zip_bomb_is_refused_by_what_it_says_it_unpacks_to(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(keras_files, "MAX_ARRAY_BYTES", 2**22)
    monkeypatch.setattr(keras_files, "MAX_CONFIG_BYTES", 2**22)
    source = zipfile.ZipFile(copy("keras3/caption_model.keras"))
    path = copy("keras2/caption_model.keras")
    with source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.namelist():
            bomb.writestr(entry, bytes(2**22 + 1) if entry == name else source.read(entry))
    assert path.stat().st_size < 2**18
    with pytest.raises(KerasFileError, match=f"{name} would unpack to 4194305 bytes, over 4194304"):
        read_keras_file(path)


def test_arrays_are_weighed_unpacked_and_all_together(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hdf5(
        copy("keras3/caption_model.weights.h5"),
        lambda tree: tree.create_dataset("layers/dense_3/vars/0", (2**10, 2**10), "f4", compression="gzip"),
    )
    assert path.stat().st_size < 2**18
    monkeypatch.setattr(keras_files, "MAX_ARRAY_BYTES", 2**22)
    with pytest.raises(KerasFileError, match="the arrays would take 4"):
        read_keras_file(path)


def test_a_tree_with_too_many_parts_is_refused(copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_files, "MAX_NODES", 20)
    with pytest.raises(KerasFileError, match="over 20 parts"):
        read_keras_file(copy("keras3/caption_model.weights.h5"))


def test_an_encoder_in_the_caption_models_place_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "inception.weights.h5"
    with h5py.File(path, "w") as tree:
        for number in range(3):
            tree[f"layers/conv2d_{number}/vars/0"] = np.zeros((3, 3, 4, 4), "f4")
    with pytest.raises(KerasFileError, match=r"found conv2d_0 \[3, 3, 4, 4\], conv2d_1"):
        find(path)


def test_a_description_in_place_of_the_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "caption_model.keras"
    deep = io.BytesIO()
    with zipfile.ZipFile(deep, "w") as archive:
        archive.writestr("config.json", b"[" * 100_000)
        archive.writestr("metadata.json", b"{}")
        archive.writestr("model.weights.h5", b"")
    path.write_bytes(deep.getvalue())
    with pytest.raises(CaptionerToolError, match="damaged"):
        read_keras_file(path)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ({"keras_version": "2.15.0"}, "2.15.0"),
        ({"keras_version": "2.15.0", "note": "DTypePolicy"}, "2.15.0"),
        ({"build_config": {"class_name": "DTypePolicy"}}, "3"),
        ({"build_config": {"class_name": "__keras_tensor__"}}, "3"),
        ({}, ""),
    ],
)
def test_a_description_tells_which_keras_wrote_it(tmp_path: Path, told: dict[str, object], version: str) -> None:
    layers = [{"class_name": "InputLayer", "config": {"name": "words", "batch_input_shape": [None, 3]}}]
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}, **told}))

    assert read_keras_file(path).keras_version == version
