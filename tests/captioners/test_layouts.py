"""Every layout and every form in which people save it, converted and held to TensorFlow's run of the source.

Probabilities within 1e-5, and all greedy and beam captions equal, from the picture on. Part of `make captioners`.
"""

from pathlib import Path
from typing import Any

import pytest

from captioning.model.bundle import DECODER, ENCODER, VOCABULARY, InputSpec, Quantization, Resampling, open_bundle
from captioning.model.decoding import Decoding
from captioning.model.vocabulary import Vocabulary
from tests.captioners.keras_modules import keras_module
from tests.captioners.layouts import FEATURES, LAYOUTS, LONGEST, TOKENS, build
from tools.captioner.bundle import BundleParts, write_bundle
from tools.captioner.decoder import convert_network as convert_decoder_network
from tools.captioner.encoder import convert_network
from tools.captioner.keras.architecture import find_decoder
from tools.captioner.keras.files import read_keras_file
from tools.captioner.keras.source import open_source
from tools.captioner.network import Padding
from tools.captioner.pictures import draw_pictures
from tools.captioner.verification import verify_captions
from tools.captioner.vocabulary import to_json

pytestmark = [
    pytest.mark.captioners,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),
]
SPEC = InputSpec(75, 75, Resampling.NEAREST, exif_transpose=False, scale=1 / 127.5, offset=-1.0)
WORDS = Vocabulary(("<pad>", "startseq", "endseq", *(f"word{number}" for number in range(3, TOKENS))), 1, 2, None)
# Keras 3 saves Functional parts and masks into .h5 in ways that it cannot load itself.
FORMS = (
    ("keras2", "h5"),
    ("keras2", "keras"),
    ("keras2", "json"),
    ("keras3", "h5"),
    ("keras3", "keras"),
    ("keras3", "json"),
)


@pytest.fixture(scope="module")
def network() -> Any:
    """A small encoder."""
    keras = keras_module("keras3")
    keras.utils.set_random_seed(3)
    pixels = keras.Input((75, 75, 3))
    hidden = keras.layers.Conv2D(FEATURES, 17, strides=4, activation="relu")(pixels)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(hidden))


@pytest.fixture(scope="module")
def encoder(network: Any) -> bytes:
    return convert_network(network, Quantization.NONE)


def save(model: Any, folder: Path, form: str) -> tuple[Path, Path | None]:
    path = folder / f"model.{form}"
    if form != "json":
        model.save(str(path))
        return path, None
    path.write_text(model.to_json(), encoding="utf-8")
    model.save_weights(str(folder / "model.weights.h5"))
    return path, folder / "model.weights.h5"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("version", "form"), FORMS)
def test_the_bundle_says_what_the_source_says(
    version: str, form: str, layout: str, network: Any, encoder: bytes, tmp_path: Path
) -> None:
    keras = keras_module(version)
    model, weights = save(build(keras, layout), tmp_path, form)
    files = [read_keras_file(path) for path in (model, weights) if path is not None]
    padding = Padding.POST if form == "keras" else Padding.PRE
    decoder = find_decoder(*files, length=LONGEST, padding=padding)
    assert decoder.network.features == FEATURES
    (tmp_path / VOCABULARY).write_text(to_json(WORDS), encoding="utf-8")
    (tmp_path / DECODER).write_bytes(convert_decoder_network(decoder.network))
    (tmp_path / ENCODER).write_bytes(encoder)
    parts = BundleParts(tmp_path, Quantization.NONE, Decoding(1, 0.0, LONGEST, no_repeat_ngram=0), {}, {}, SPEC)
    write_bundle(tmp_path / "bundle", parts)
    source = open_source(decoder, model, weights, LONGEST)
    found = verify_captions(
        source,
        network,
        open_bundle((tmp_path / "bundle").as_uri()),
        draw_pictures(tmp_path / "drawn")[:3],
        photographs=False,
    )
    assert found.largest_probability_difference < 1e-5
    assert (found.greedy, found.beam, found.greedy_served, found.beam_served) == (3, 3, 3, 3)
