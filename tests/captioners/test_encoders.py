"""The encoders of keras.applications, in TensorFlow: a bundle's features of a picture are Keras's own.

Their published weights are not here; random ones take the same way. Part of `make captioners`.
"""

import gc
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioning.model.bundle import Quantization, Resampling
from captioning.model.interpreter import Encoder
from captioning.pictures.tensors import read_picture
from tests.captioners.keras_modules import keras_module
from tools.captioner.encoder import convert_network
from tools.captioner.encoders.choosing import EncoderChoice, open_encoder
from tools.captioner.encoders.networks import BY_NAME, EncoderNetwork
from tools.captioner.errors import KerasFileError

pytestmark = [
    pytest.mark.captioners,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),
]
HOMES = {
    "keras": "inception_v3",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnet50": "resnet50",
    "xception": "xception",
    "densenet121": "densenet",
    "densenet201": "densenet",
}
# The file of each is written in another way, so that every way meets some.
FORMS = {
    "keras": ("keras2", "h5"),
    "vgg16": ("keras3", "h5"),
    "resnet50": ("keras2", "weights-h5"),
    "xception": ("keras3", "weights.h5"),
    "densenet121": ("keras3", "keras"),
    "densenet201": ("keras2", "weights.h5"),
}


def original(keras: Any, network: EncoderNetwork) -> Any:
    """The network as a notebook builds it, cut where tutorials cut it."""
    keras.utils.set_random_seed(4)
    if network.layer is None:
        model = getattr(keras.applications, network.builder)(include_top=False, weights=None, pooling="avg")
    else:
        whole = getattr(keras.applications, network.builder)(weights=None)
        model = keras.Model(whole.input, whole.layers[-2].output)
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            # As after training: each layer keeps its numbers in bounds, and no two channels are alike.
            arrays = layer.get_weights()
            arrays[-2:] = [rng.normal(0, 0.1, arrays[-2].shape), rng.uniform(0.5, 1.5, arrays[-1].shape)]
            layer.set_weights(arrays)
    return model


def saved(keras: Any, model: Any, path: Path, form: str) -> Path:
    if form == "weights-h5":
        path = path.with_suffix(".h5")
        model.save_weights(str(path))
    elif form == "weights.h5":
        path = path.with_suffix(".weights.h5")
        model.save_weights(str(path))
    else:
        path = path.with_suffix(f".{form}")
        model.save(str(path))
    return path


@pytest.mark.parametrize("name", FORMS)
def test_the_features_are_kerass_own_from_the_picture_on(name: str, tmp_path: Path) -> None:
    version, form = FORMS[name]
    keras, network = keras_module(version), BY_NAME[name]
    model = original(keras, network)
    path = saved(keras, model, tmp_path / name, form)
    rng = np.random.default_rng(5)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(256, size=(240, 320, 3), dtype=np.uint8)).resize((640, 480)).save(stream, "PNG")
    (tmp_path / "picture.png").write_bytes(stream.getvalue())
    size = (network.side, network.side)
    pixels = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "picture.png", target_size=size))
    preprocess = getattr(keras.applications, HOMES[name]).preprocess_input
    theirs = np.asarray(model(preprocess(pixels[np.newaxis].copy()), training=False))[0]
    del model
    keras.backend.clear_session()
    gc.collect()
    # Named, and told by its layers alone.
    for choice in (EncoderChoice(name, path), EncoderChoice(None, path)):
        encoder = open_encoder(choice, network.width)
        assert encoder.network is network
    spec = encoder.input_spec(Resampling.NEAREST, exif_transpose=False)
    (tmp_path / "encoder.tflite").write_bytes(convert_network(encoder.build(), Quantization.NONE))
    ours = Encoder(tmp_path / "encoder.tflite").encode(read_picture(stream.getvalue(), spec))[0]
    assert theirs.std() > 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(np.abs(theirs).max()))


def test_a_file_without_the_top_is_refused_where_the_features_come_from_it(tmp_path: Path) -> None:
    keras = keras_module("keras3")
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    path = saved(keras, model, tmp_path / "notop", "h5")
    with pytest.raises(
        KerasFileError, match=r"no layer fc1, as VGG16 has: the 4096 features come from its classifying top"
    ):
        open_encoder(EncoderChoice("vgg16", path), 4096).build()


def test_another_network_than_the_named_one_is_found_out(tmp_path: Path) -> None:
    keras = keras_module("keras3")
    model = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg")
    path = saved(keras, model, tmp_path / "resnet", "h5")
    with pytest.raises(KerasFileError, match=r"is not InceptionV3's: "):
        open_encoder(EncoderChoice("keras", path), 2048).build()
    with pytest.raises(KerasFileError, match=r"looks like ResNet50, which gives 2048; the decoder takes 1920 features"):
        open_encoder(EncoderChoice(None, path), 1920)
