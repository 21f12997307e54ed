"""Which captioners are found in a description, and that what stays out is refused by name. All without TensorFlow."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.numpy_operations import probabilities
from tools.captioner.errors import KerasFileError
from tools.captioner.keras.architecture import CaptionDecoder, find_decoder
from tools.captioner.keras.description import parse_model
from tools.captioner.keras.files import KerasFile, LayerArrays, read_keras_file
from tools.captioner.network import Lstm, Padding, Recurrent

SAMPLES = Path("tests/captioners")
VERSIONS = ("keras2", "keras3")
LONGEST = 9
WINDOWED = {
    "no_mask",
    "no_mask_any_length",
    "gru_no_mask",
    "stacked_no_mask",
    "bidirectional",
    "bidirectional_no_mask",
    "stacked_bidirectional",
    "par_inject_no_mask",
    "picture_first",
    "sequential_outputs",
}

Config = dict[str, Any]


def find(path: Path) -> CaptionDecoder:
    return find_decoder(read_keras_file(path))


def layouts() -> Iterator[tuple[str, str]]:
    for version in VERSIONS:
        with zipfile.ZipFile(SAMPLES / version / "layouts.zip") as archive:
            yield from ((version, name) for name in archive.namelist() if name != "expected.npz")


def unpacked(version: str, name: str, folder: Path) -> tuple[KerasFile, Any]:
    with zipfile.ZipFile(SAMPLES / version / "layouts.zip") as archive:
        archive.extract(name, folder)
        archive.extract("expected.npz", folder)
    return read_keras_file(folder / name), np.load(folder / "expected.npz")


@pytest.mark.parametrize(("version", "name"), list(layouts()))
def test_every_layout_does_word_by_word_what_keras_did_with_whole_captions(
    version: str, name: str, tmp_path: Path
) -> None:
    file, expected = unpacked(version, name, tmp_path)
    layout = name.partition(".")[0]
    for padding, by_keras in ((Padding.PRE, layout), (Padding.POST, f"{layout}.post")):
        decoder = find_decoder(file, length=LONGEST, padding=padding)
        # In Keras 3 the join of a picture with words loses the mask.
        windowed = layout in WINDOWED or (version, layout) == ("keras3", "par_inject")
        assert decoder.network.recurrent is not windowed
        for row, (features, tokens) in enumerate(zip(expected["features"], expected["sequences"], strict=True)):
            np.testing.assert_allclose(
                probabilities(decoder.network, features, tokens), expected[by_keras][row], atol=1e-5
            )


def test_a_normalisation_that_is_not_there_changes_no_number(tmp_path: Path) -> None:
    """Exact to 0.0: the identity is left out, and not computed."""
    file, _ = unpacked("keras3", "plain.h5", tmp_path)
    kinds = [node.operation.__class__.__name__ for node in find_decoder(file).network.nodes]
    assert kinds == ["Input", "Dense", "Embedding", "Recurrent", "Join", "Dense", "Dense"]


def test_a_description_without_weights_asks_for_them_and_takes_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(SAMPLES / "keras3/caption_model.keras") as archive:
        config, metadata = (json.loads(archive.read(name)) for name in ("config.json", "metadata.json"))
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**config, "keras_version": metadata["keras_version"]}), encoding="utf-8")
    described = read_keras_file(path)
    with pytest.raises(KerasFileError, match="without its weights: give them with --weights, beside --model"):
        find_decoder(described)
    found = find_decoder(described, read_keras_file(SAMPLES / "keras3/caption_model.weights.h5"))
    assert (found.longest, found.assumed) == (LONGEST, None)
    expected = np.load(SAMPLES / "keras3/expected.npz")
    by_keras = expected["probabilities"][0]
    ours = probabilities(found.network, expected["features"][0], expected["sequences"][0])
    np.testing.assert_allclose(ours, by_keras, atol=1e-5)


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


SHAPE = "the shape, by both its names"


def option(layer: str, name: str, value: object) -> Callable[[Config], object]:
    def change(config: Config) -> None:
        options = next(one for one in config["config"]["layers"] if one["name"] == layer)["config"]
        for spelling in ("batch_shape", "batch_input_shape") if name == SHAPE else (name,):
            options[spelling] = value

    return change


def kind(layer: str, value: str) -> Callable[[Config], object]:
    def change(config: Config) -> None:
        next(one for one in config["config"]["layers"] if one["name"] == layer)["class_name"] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (kind("add", "Dot"), r"add \(Dot\) is not a layer that can be converted"),
        (kind("lstm", "CuDNNLSTM"), r"lstm \(CuDNNLSTM\) is not a layer .*build the model with LSTM"),
        (kind("dense", "Lambda"), r"dense \(Lambda\) is not a layer .*programs in files are not run"),
        (
            kind("dense", "MyLayer"),
            r"dense \(MyLayer\) is not a layer .*\(looked for: Activation, ",
        ),
        (kind("dense", "Dropout"), "weights are of another model"),
        (kind("lstm", "MultiHeadAttention"), r"lstm \(MultiHeadAttention\) is not .*train a merge model"),
        (
            option("lstm", "return_sequences", True),
            r"\(Add\) joins one vector \(batch_normalization_1\) with one per",
        ),
        (option("lstm", "stateful", True), r"lstm \(LSTM\) has stateful True, and False was looked for"),
        (option("lstm", "activation", "cosine"), "lstm .* has activation 'cosine', and one of elu, "),
        (option("lstm", "units", 9), r"lstm \(LSTM\) is described with units 9, and its arrays have \[6, 32\]"),
        (option("dense", "activation", {"class_name": "function", "config": "mine"}), "has activation 'mine'"),
        (option("dense_1", "use_bias", False), r"found none for dense_1 \(Dense\) among"),
        (option("dense", "dtype", {"config": {"name": "mixed_float16"}}), "computes in mixed_float16, and float32"),
        (option("batch_normalization", "scale", False), "weights are of another model|found none for"),
        (option("batch_normalization", "axis", 0), "has the axis 0, and the last was looked for"),
        (option("batch_normalization", "epsilon", -1.0), "has the epsilon -1.0"),
        (
            option("Output_Layer", "activation", "sigmoid"),
            "with activation 'sigmoid', and a Dense with",
        ),
        (option("Features_Input", SHAPE, [None, 64, 16]), r"which takes \[64, 16\] per picture, .*attention"),
        (option("Features_Input", SHAPE, [None, 299, 299, 3]), "the model takes pictures themselves: cut it behind"),
        (option("Features_Input", SHAPE, [None, None]), "one vector of features per picture was looked for"),
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
    layers = read_keras_file(SAMPLES / "keras2/caption_model.keras").model
    assert layers is not None
    assert "Dropout" in [layer.kind for layer in layers.layers]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (kind("dense", "TimeDistributed"), "description is damaged: KeyError"),
        (option("batch_normalization", "epsilon", "small"), "has the epsilon 'small', and a number over 0"),
    ],
)
def test_options_that_no_keras_writes_are_an_error_of_ours(
    copy: Callable[[str], Path], change: Callable[[Config], object], reason: str
) -> None:
    with pytest.raises(KerasFileError, match=reason):
        find(rewrite(copy("keras3/caption_model.keras"), change))


def test_any_change_of_an_option_is_an_error_of_ours_or_harmless(copy: Callable[[str], Path]) -> None:
    rng = np.random.default_rng(9)
    values: tuple[object, ...] = (None, True, -1, 0, 3, 1e9, "x", [], [None], {}, {"class_name": "LSTM", "config": {}})
    source = copy("keras3/caption_model.keras")
    content = source.read_bytes()

    def change(config: Config) -> None:
        one = config["config"]["layers"][rng.integers(len(config["config"]["layers"]))]
        part = one["config"] if rng.integers(3) else one
        part[sorted(part)[rng.integers(len(part))]] = values[rng.integers(len(values))]

    for _ in range(60):
        source.write_bytes(content)
        with suppress(KerasFileError):
            find(rewrite(source, change))


def test_both_hard_sigmoids_are_told_apart_by_the_keras_that_wrote_the_file(copy: Callable[[str], Path]) -> None:
    """Keras 3 gave the old name to another function."""
    change = option("lstm", "recurrent_activation", "hard_sigmoid")
    gates = set()
    for version in VERSIONS:
        found = find(rewrite(copy(f"{version}/caption_model.keras"), change))
        cells = [node.operation.cell for node in found.network.nodes if isinstance(node.operation, Recurrent)]
        gates |= {cell.gate for cell in cells if isinstance(cell, Lstm)}
    assert gates == {"hard_sigmoid_2", "hard_sigmoid_3"}
    silent = replace(read_keras_file(rewrite(copy("keras3/caption_model.keras"), change)), keras_version="")
    with pytest.raises(KerasFileError, match="does not say which Keras wrote it"):
        find_decoder(silent)


def test_an_unmasked_model_of_any_length_asks_to_what_captions_were_padded(tmp_path: Path) -> None:
    file, _ = unpacked("keras3", "no_mask_any_length.keras", tmp_path)
    with pytest.raises(KerasFileError, match=r"\(Embedding\) has no mask_zero, .*--padded-to"):
        find_decoder(file)
    with pytest.raises(KerasFileError, match="all 201 positions are computed for every word; at most 200"):
        find_decoder(file, length=201)
    assert find_decoder(file, length=12).network.state == 12


def layer(name: str, kind: str, *inputs: str, **options: object) -> Config:
    """A layer as Keras 2 describes it."""
    nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    return {"name": name, "class_name": kind, "config": {"name": name, **options}, "inbound_nodes": nodes}


def test_a_part_within_parts_without_end_is_refused() -> None:
    document: Config = layer("deep", "Sequential")
    for _ in range(9):
        document = {"class_name": "Functional", "config": {"layers": [document]}}
    with pytest.raises(KerasFileError, match="parts within parts"):
        parse_model(document)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ([layer("lstm", "LSTM", "embedding", "image", "image", units=8)], "has 3 inputs, .*begins with the picture"),
        ([layer("lstm", "LSTM", "lstm", units=8)], "lstm takes its own output"),
        (
            [{**layer("add", "Add"), "inbound_nodes": [[["image", 0, 0, {}], ["lstm", 0, 2, {}]]]}],
            r"lstm \(LSTM\) is used for its output 2 \(a state\), and its first was looked for",
        ),
        ([layer("lstm", "Flatten", "embedding")], "takes all positions of embedding at once"),
        ([layer("add", "Add", "image")], "joins 1 inputs, and two were looked for"),
        (
            [layer("image", "Dense", "features", units=5, activation="relu")],
            "image .* is described with units 5",
        ),
    ],
)
def test_what_a_graph_says_wrong_is_named(changed: list[Config], reason: str) -> None:
    rng = np.random.default_rng(1)

    def arrays(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
        return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)

    layers = {
        one["name"]: one
        for one in (
            layer("features", "InputLayer", batch_input_shape=[None, 16]),
            layer("tokens", "InputLayer", batch_input_shape=[None, 9]),
            layer("image", "Dense", "features", units=8, activation="relu"),
            layer("embedding", "Embedding", "tokens", input_dim=26, output_dim=6, mask_zero=True),
            layer("lstm", "LSTM", "embedding", units=8),
            layer("add", "Add", "image", "lstm"),
            layer("words", "Dense", "add", units=26, activation="softmax"),
            *changed,
        )
    }
    stored = {
        "image": arrays((16, 8), (8,)),
        "embedding": arrays((26, 6)),
        "lstm": arrays((6, 32), (8, 32), (32,)),
        "words": arrays((8, 26), (26,)),
    }
    model = parse_model(
        {"class_name": "Functional", "config": {"layers": list(layers.values()), "output_layers": [["words", 0, 0]]}}
    )
    kept = tuple(
        LayerArrays(name, of, tuple(f"{name}/{place}" for place in range(len(of))))
        for name, of in stored.items()
        if layers[name]["class_name"] != "Flatten"
    )
    with pytest.raises(KerasFileError, match=reason):
        find_decoder(KerasFile("2.15.0", model, kept, named=True))
