"""Reading what Keras saved: every form gives the same decoder, and nothing else gets in. All without TensorFlow."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tools.captioner import keras_files
from tools.captioner.architecture import CaptionDecoder, find_decoder
from tools.captioner.decoder import DecoderWeights
from tools.captioner.encoder import read_encoder_weights
from tools.captioner.errors import CaptionerToolError, KerasFileError
from tools.captioner.keras_files import read_keras_file

SAMPLES = Path("tests/captioners")
WHOLE = [
    "keras2/caption_model.keras",
    "keras2/caption_model.h5",
    "keras3/caption_model.keras",
    "keras3/caption_model.h5",
]
WEIGHTS = ["keras2/caption_model.weights.h5", "keras2/legacy_weights.h5", "keras3/caption_model.weights.h5"]

Config = dict[str, Any]


def find(path: Path) -> CaptionDecoder:
    return find_decoder(read_keras_file(path))


def probabilities(weights: DecoderWeights, features: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """What the decoder gives after one caption, by the published formulas: one step a word, padding left out."""
    scale, shift = weights.features.as_affine()
    image = np.maximum((features * scale + shift) @ weights.projection.kernel + weights.projection.bias, 0)
    scale, shift = weights.image.as_affine()
    h = c = np.zeros(len(scale), np.float32)
    for token in tokens[tokens > 0]:
        gates = weights.embedding[token] @ weights.lstm.input_kernel + h @ weights.lstm.state_kernel + weights.lstm.bias
        admit, forget, candidate, expose = np.split(gates, 4)
        c = c / (1 + np.exp(-forget)) + np.tanh(candidate) / (1 + np.exp(-admit))
        h = np.tanh(c) / (1 + np.exp(-expose))
    hidden = np.maximum((h + image * scale + shift) @ weights.hidden.kernel + weights.hidden.bias, 0)
    logits = np.exp(hidden @ weights.logits.kernel + weights.logits.bias)
    return np.asarray(logits / logits.sum())


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_of_any_form_is_found_to_do_what_keras_did_with_it(name: str) -> None:
    decoder = find(SAMPLES / name)
    expected = np.load(SAMPLES / name.partition("/")[0] / "expected.npz")
    assert decoder.longest == 9
    assert decoder.inputs == ("Features_Input", "Sequence_Input")
    assert decoder.weights.image.epsilon == 0.002
    for features, tokens, by_keras in zip(*(expected[key] for key in expected), strict=True):
        np.testing.assert_allclose(probabilities(decoder.weights, features, tokens), by_keras, atol=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_alone_are_told_by_their_shapes_and_taken_for_keras_defaults(name: str) -> None:
    found, whole = find(SAMPLES / name), find(SAMPLES / name.partition("/")[0] / "caption_model.keras")
    assert found.longest is None
    assert found.inputs is None
    assert found.weights.image.epsilon == 0.001
    np.testing.assert_array_equal(found.weights.lstm.state_kernel, whole.weights.lstm.state_kernel)
    np.testing.assert_array_equal(found.weights.logits.kernel, whole.weights.logits.kernel)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_beside_a_model_take_the_place_of_its_own(name: str) -> None:
    model = read_keras_file(SAMPLES / "keras3/caption_model.keras")
    found = find_decoder(model, read_keras_file(SAMPLES / name))
    assert found.longest == 9
    assert found.weights.image.epsilon == 0.002
    np.testing.assert_array_equal(found.weights.embedding, find(SAMPLES / name).weights.embedding)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    def copied(name: str) -> Path:
        path = tmp_path / name.replace("/", "-")
        path.write_bytes((SAMPLES / name).read_bytes())
        return path

    return copied


def rewrite(path: Path, change: Callable[[Config], object]) -> Path:
    """Change the description of a .keras file's model."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    change(config)
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def option(layer: str, name: str, value: object) -> Callable[[Config], object]:
    def change(config: Config) -> None:
        next(one for one in config["config"]["layers"] if one["name"] == layer)["config"][name] = value

    return change


def kind(layer: str, value: str) -> Callable[[Config], object]:
    def change(config: Config) -> None:
        next(one for one in config["config"]["layers"] if one["name"] == layer)["class_name"] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (kind("lstm", "GRU"), r"lstm is a GRU where a LSTM was looked for, in a model of .*; supported is: features"),
        (kind("add", "Concatenate"), "add is a Concatenate where a Add"),
        (kind("batch_normalization", "LayerNormalization"), "batch_normalization is a LayerNormalization where"),
        (kind("dense", "Dropout"), "batch_normalization is a BatchNormalization where a Dense"),
        (option("embedding", "mask_zero", False), "embedding .* has mask_zero False, and only True"),
        (option("lstm", "recurrent_activation", "hard_sigmoid"), "has recurrent_activation 'hard_sigmoid'"),
        (option("lstm", "return_sequences", True), "has return_sequences True"),
        (option("lstm", "go_backwards", True), "has go_backwards True"),
        (option("lstm", "units", 9), "described with units 9, and its arrays have 8: the weights are of another model"),
        (option("dense", "activation", {"class_name": "function", "config": "gelu"}), "has activation 'gelu'"),
        (option("dense_1", "use_bias", False), "has use_bias False"),
        (option("batch_normalization", "scale", False), "has scale False"),
        (option("batch_normalization", "epsilon", -1.0), "epsilons -1.0"),
        (option("Output_Layer", "activation", "linear"), "has activation 'linear', and only 'softmax'"),
        (lambda config: config.update(class_name="Sequential"), "the model is a Sequential, of InputLayer, "),
        (lambda config: config.update(class_name="MyCaptioner", config={}), "is a MyCaptioner, of no layers"),
        (lambda config: config["config"].update(output_layers=[]), "has 0 outputs"),
        (lambda config: config["config"].update(output_layers=["nobody", 0, 0]), "'nobody', which the model does not"),
        (lambda config: config["config"]["layers"].clear(), "which the model does not have"),
        (lambda config: config.pop("class_name"), "damaged"),
        (lambda config: config.update(config=7), "damaged"),
        (lambda config: config["config"].update(layers=[7]), "damaged"),
    ],
)
@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_another_architecture_is_refused_with_what_was_found_and_what_is_supported(
    copy: Callable[[str], Path], version: str, change: Callable[[Config], object], reason: str
) -> None:
    with pytest.raises(KerasFileError, match=reason):
        find(rewrite(copy(f"{version}/caption_model.keras"), change))


def test_layers_that_only_matter_in_training_are_passed_over() -> None:
    layers = read_keras_file(SAMPLES / WHOLE[0]).model
    assert layers is not None
    assert "Dropout" in [layer.kind for layer in layers.layers]


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
        (replaced(KERNEL, np.zeros((8, 24), "f4")), r"not a caption decoder's: found .*lstm \[6, 32\] \[8, 24\]"),
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
    np.testing.assert_array_equal(found.weights.embedding, find(SAMPLES / WHOLE[0]).weights.embedding)


def test_the_name_that_keras_2_14_gave_the_layers_is_read_as_well(copy: Callable[[str], Path]) -> None:
    path = copy("keras2/caption_model.weights.h5")
    hdf5(path, lambda tree: tree.move("layers", "_layer_checkpoint_dependencies"))
    np.testing.assert_array_equal(find(path).weights.embedding, find(SAMPLES / WHOLE[0]).weights.embedding)


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
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "caption_model.keras"
    path.write_bytes(content)
    with pytest.raises(KerasFileError, match=reason):
        read_keras_file(path)


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


def test_a_caption_model_in_the_encoders_place_is_found_out() -> None:
    with pytest.raises(KerasFileError, match="found 0 plain convolutions, 0 normalisations"):
        read_encoder_weights(SAMPLES / WHOLE[0])


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
