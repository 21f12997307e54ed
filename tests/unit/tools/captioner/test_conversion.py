"""Converting a user's captioner: which files are taken, what is refused before any work, and that nothing changes.

What needs TensorFlow is run where the tools' requirements are installed."""

import importlib.util
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioning.model.bundle import (
    DECODER,
    ENCODER,
    MANIFEST,
    VOCABULARY,
    InputSpec,
    Quantization,
    Resampling,
    open_bundle,
)
from captioning.model.decoding import Decoding
from captioning.model.interpreter import Decoder
from captioning.pictures.tensors import read_picture
from tools.captioner.__main__ import main
from tools.captioner.bundle import BundleParts, write_bundle
from tools.captioner.conversion import SourceFiles, choose_files
from tools.captioner.decoder import convert_network as convert_decoder_network
from tools.captioner.encoder import convert_network
from tools.captioner.encoders.choosing import EncoderChoice
from tools.captioner.errors import DatasetError, SettingsError, UnfitBundleError
from tools.captioner.keras.architecture import find_decoder
from tools.captioner.keras.files import read_keras_file
from tools.captioner.keras.source import open_source
from tools.captioner.network import Network, Recurrent
from tools.captioner.pictures import draw_pictures, list_pictures
from tools.captioner.tokenizers.choosing import choose_vocabulary
from tools.captioner.tokenizers.reading import read_tokenizer
from tools.captioner.verification import verify_captions
from tools.captioner.vocabulary import to_json

SAMPLES = Path("tests/captioners")
MODEL, WEIGHTS, TOKENIZER = (
    SAMPLES / "keras3" / name for name in ("caption_model.keras", "caption_model.weights.h5", "tokenizer.pkl")
)
ENVIRONMENT = {"MODEL_PATH": "m.keras", "WEIGHTS_PATH": "w.h5", "TOKENIZER_PATH": "t.pkl"}
GIVEN = Path("given")

# Keras's, when it turns a variable into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.mark.parametrize(
    ("given", "environment", "chosen"),
    [
        ((None, None, None), ENVIRONMENT, (Path("m.keras"), Path("w.h5"), Path("t.pkl"))),
        ((GIVEN, None, None), ENVIRONMENT, (GIVEN, None, Path("t.pkl"))),
        ((None, GIVEN, None), ENVIRONMENT, (None, GIVEN, Path("t.pkl"))),
        ((None, None, GIVEN), ENVIRONMENT, (Path("m.keras"), Path("w.h5"), GIVEN)),
        ((GIVEN, GIVEN, GIVEN), {}, (GIVEN, GIVEN, GIVEN)),
        ((None, None, GIVEN), {"MODEL_PATH": "", "WEIGHTS_PATH": "w.h5"}, (None, Path("w.h5"), GIVEN)),
    ],
)
def test_what_is_given_comes_first_and_the_environment_completes_it(
    given: tuple[Path | None, Path | None, Path | None],
    environment: Mapping[str, str],
    chosen: tuple[Path | None, Path | None, Path],
) -> None:
    assert choose_files(*given, None, environment) == SourceFiles(*chosen)
    assert choose_files(*given, "inception.h5", environment).encoder == EncoderChoice(None, Path("inception.h5"))
    named = choose_files(*given, "vgg16", environment, encoder_weights=Path("vgg.h5")).encoder
    assert named == EncoderChoice("vgg16", Path("vgg.h5"))
    # The name that earlier releases had.
    assert choose_files(*given, "imagenet", environment).encoder == EncoderChoice("imagenet-2015")


def test_a_model_and_a_tokenizer_must_come_from_somewhere() -> None:
    with pytest.raises(SettingsError, match="--model or --weights, or in MODEL_PATH or WEIGHTS_PATH"):
        choose_files(None, None, GIVEN, None, {"TOKENIZER_PATH": "t.pkl"})
    with pytest.raises(SettingsError, match="--tokenizer, or in TOKENIZER_PATH"):
        choose_files(GIVEN, None, None, None, {"MODEL_PATH": "m.keras"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no model is given"),
        (("--model", "nowhere.keras", "--tokenizer", TOKENIZER), "nowhere.keras cannot be read"),
        (("--model", TOKENIZER, "--tokenizer", TOKENIZER), "is a pickle: of a tokenizer, name it with --tokenizer"),
        (("--model", MODEL, "--tokenizer", MODEL), "is a zip file; a Keras model (.keras) is named with --model"),
        (("--model", MODEL, "--tokenizer", TOKENIZER, "--max-words", "10"), "--max-words must be between 1 and 9"),
        (("--weights", WEIGHTS, "--tokenizer", TOKENIZER, "--max-words", "101"), "must be between 1 and 100"),
        (("--weights", WEIGHTS, "--tokenizer", TOKENIZER, "--max-words", "0"), "must be between 1 and 100"),
        (("--model", MODEL, "--tokenizer", TOKENIZER, "--start-word", "bos"), "give both --start-word and --end-word"),
        (
            ("--model", MODEL, "--tokenizer", TOKENIZER),
            "no encoder is named; the decoder takes 16 features per picture, and none",
        ),
        (
            ("--model", MODEL, "--tokenizer", TOKENIZER, "--encoder", "vgg16"),
            "vgg16 gives 4096; the decoder takes 16",
        ),
        (("--model", MODEL, "--tokenizer", TOKENIZER, "--encoder", MODEL), "has 0 kernels and is unknown; the decoder"),
        (
            ("--model", MODEL, "--tokenizer", TOKENIZER, "--encoder", "vgg61"),
            "encoder cannot be read: vgg61 cannot",
        ),
        (
            ("--model", MODEL, "--tokenizer", TOKENIZER, "--encoder", "vgg61", "--encoder-weights", MODEL),
            "--encoder is 'vgg61', which is none of imagenet-2015, keras, vgg16,",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused_before_any_work(
    arguments: tuple[str | Path, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "bundle"
    assert main(["convert", "--out", str(out), *map(str, arguments)]) == 1
    assert reason in capsys.readouterr().err
    assert not out.exists()


def test_what_the_tokenizer_leaves_open_is_said_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*read_tokenizer(TOKENIZER).words[:-2], "café", "<pad>"]
    mine = tmp_path / "words.json"
    numbers = {word: number for number, word in enumerate(words, start=1)}
    mine.write_bytes(json.dumps(numbers, ensure_ascii=False).encode("latin-1"))
    main(["convert", "--out", str(tmp_path / "bundle"), "--model", str(MODEL), "--tokenizer", str(mine)])
    said = capsys.readouterr().err
    assert "no Unicode, and was read as Latin-1 (Windows-1252): if a word looks wrong, save it again in UTF-8" in said
    assert "WARNING: the tokenizer has '<pad>' by the number 25, and padding is number 0: it is never said" in said


def test_the_environment_names_the_files_and_weights_alone_get_a_longest_caption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MODEL_PATH", raising=False)
    monkeypatch.setenv("WEIGHTS_PATH", str(WEIGHTS))
    monkeypatch.setenv("TOKENIZER_PATH", str(TOKENIZER))
    assert main(["convert", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "do not say how long a caption may get: at most 40 words (--max-words)" in said
    assert "captions begin with 'startseq', end with 'endseq'" in said


def test_the_nearest_pixels_are_those_that_keras_takes() -> None:
    """Keras's `load_img(path, target_size=(299, 299))` is Pillow's `resize` by its nearest filter."""
    for size in ((640, 480), (31, 1000), (299, 299), (1777, 1333)):
        rng = np.random.default_rng(size)
        stream = io.BytesIO()
        Image.fromarray(rng.integers(256, size=(*size, 3), dtype=np.uint8)).save(stream, "PNG")
        by_keras = np.asarray(Image.open(stream).convert("RGB").resize((299, 299), Image.Resampling.NEAREST))
        ours = read_picture(
            stream.getvalue(), InputSpec(299, 299, Resampling.NEAREST, exif_transpose=False, scale=1, offset=0)
        )
        np.testing.assert_array_equal(ours[0], by_keras)


def test_pictures_are_listed_by_name_and_other_files_left_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_pictures(tmp_path)] == ["a.png", "b.JPG"]
    with pytest.raises(DatasetError, match="holds no pictures"):
        list_pictures(SAMPLES)
    with pytest.raises(DatasetError, match="is not a folder"):
        list_pictures(tmp_path / "notes.txt")


def test_drawn_pictures_are_pictures_and_the_same_each_time(tmp_path: Path) -> None:
    once, again = (draw_pictures(tmp_path / name) for name in ("once", "again"))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert len({path.read_bytes() for path in once}) == 8
    assert list_pictures(tmp_path / "once") == once


# From here on with TensorFlow.


def decoder_of(version: str) -> Network:
    return find_decoder(read_keras_file(SAMPLES / version / "caption_model.keras")).network


@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_the_converted_decoder_gives_step_by_step_what_keras_gave_for_whole_captions(
    version: str, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    (tmp_path / DECODER).write_bytes(convert_decoder_network(decoder_of(version)))
    converted = Decoder(tmp_path / DECODER)
    expected = np.load(SAMPLES / version / "expected.npz")
    for features, tokens, by_keras in zip(*(expected[key] for key in expected), strict=True):
        image = converted.project(features[np.newaxis])
        h = c = np.zeros((1, converted.state), np.float32)
        logits = np.zeros((1, converted.tokens), np.float32)
        for token in tokens[tokens > 0]:
            logits, h, c = converted.step(np.array([token], np.int32), h, c, image)
        probabilities = np.exp(logits[0] - logits.max())
        np.testing.assert_allclose(probabilities / probabilities.sum(), by_keras, atol=1e-5)


@pytest.mark.parametrize(
    ("version", "model", "weights"),
    [
        ("keras2", "caption_model.keras", None),
        ("keras2", "caption_model.h5", None),
        ("keras2", None, "legacy_weights.h5"),
        ("keras3", "caption_model.keras", None),
        ("keras3", "caption_model.keras", "caption_model.weights.h5"),
    ],
)
def test_the_source_is_run_as_keras_ran_it_whether_it_can_be_loaded_or_not(
    version: str, model: str | None, weights: str | None
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    paths = [SAMPLES / version / name if name else None for name in (model, weights)]
    decoder = find_decoder(*[read_keras_file(path) for path in paths if path])
    source = open_source(decoder, paths[0], paths[1], 9)
    loaded = model is not None and (version == "keras3" or importlib.util.find_spec("tf_keras"))
    assert source.run_by.startswith("loaded by" if loaded else "built again")
    expected = np.load(SAMPLES / version / "expected.npz")
    tolerance = 1e-5 if model else 2e-2  # weights alone do not tell the second epsilon
    for features, tokens, by_keras in zip(*(expected[key] for key in expected), strict=True):
        captions = [tokens[tokens > 0].tolist(), [1]]
        np.testing.assert_allclose(source.predict(features[np.newaxis], captions)[0], by_keras, atol=tolerance)


@pytest.fixture(scope="module")
def network() -> Any:
    """A small encoder of 16 features in Keras."""
    keras = pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements").keras
    keras.utils.set_random_seed(3)
    pixels = keras.Input((299, 299, 3))
    hidden = keras.layers.Conv2D(16, 17, strides=16, activation="relu")(pixels)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(hidden))


def bundle_of(folder: Path, network: Any, network_: Network, quantization: Quantization) -> Path:
    tokenizer = read_tokenizer(TOKENIZER)
    (folder / VOCABULARY).write_text(to_json(choose_vocabulary(tokenizer, 26, "startseq", "endseq")), encoding="utf-8")
    (folder / DECODER).write_bytes(convert_decoder_network(network_))
    (folder / ENCODER).write_bytes(convert_network(network, quantization))
    spec = InputSpec(299, 299, Resampling.NEAREST, exif_transpose=False, scale=1 / 127.5, offset=-1.0)
    write_bundle(folder / "b", BundleParts(folder, quantization, Decoding(1, 0.0, 9, no_repeat_ngram=0), {}, {}, spec))
    manifest = json.loads((folder / "b" / MANIFEST).read_bytes())
    assert manifest["input"]["resampling"] == "nearest"
    assert manifest["input"]["exif_transpose"] is False
    return folder / "b"


@pytest.mark.parametrize("quantization", Quantization)
def test_a_bundle_is_found_to_caption_as_its_source_does(
    network: Any, tmp_path: Path, quantization: Quantization
) -> None:
    decoder = find_decoder(read_keras_file(MODEL))
    bundle = open_bundle(bundle_of(tmp_path, network, decoder.network, quantization).as_uri())
    source = open_source(decoder, MODEL, None, 9)
    pictures = draw_pictures(tmp_path / "drawn")[:3]
    found = verify_captions(source, network, bundle, pictures, photographs=False)
    assert (found.pictures, found.greedy, found.beam) == (3, 3, 3)
    assert found.largest_probability_difference < 1e-5
    assert found.steps > 10
    assert found.features_correlation is None


def test_a_bundle_that_does_something_else_is_found_out(network: Any, tmp_path: Path) -> None:
    decoder, other = find_decoder(read_keras_file(MODEL)), decoder_of("keras2")
    cell = next(node.operation.cell for node in other.nodes if isinstance(node.operation, Recurrent))
    cell.state_kernel[:] *= np.float32(1.001)
    bundle = open_bundle(bundle_of(tmp_path, network, other, Quantization.NONE).as_uri())
    source = open_source(decoder, MODEL, None, 9)
    with pytest.raises(UnfitBundleError, match="does not do what its source does: over 2 pictures"):
        verify_captions(source, network, bundle, draw_pictures(tmp_path / "drawn")[:2], photographs=False)
