"""Finds the encoder that a captioner was trained on: by name, by file, or, said so aloud, the packaged one.

Nothing is downloaded. The weights of keras.applications lie where Keras has put them when a notebook used them, or in a
file that is given; which of them a file holds is told by its layers.

Refuses: encoders that do not give as many features as the decoder takes, and files that are not the encoder named.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captioning.model.bundle import InputSpec, Resampling
from tools.captioner.encoder import (
    FEATURE_WIDTH,
    PACKAGED_LICENCE,
    WEIGHTS_PACKAGE,
    WEIGHTS_VERSION,
    build_network,
    locate_packaged_weights,
    read_encoder_weights,
    with_maxima_last,
)
from tools.captioner.encoders.keras_weights import fill_network, kernels_in
from tools.captioner.encoders.networks import BY_NAME, IMAGENET_2015, EncoderNetwork, networks_of_width
from tools.captioner.errors import KerasFileError, SettingsError
from tools.captioner.keras.files import is_hdf5, read_keras_file

if TYPE_CHECKING:
    from keras import Model

    from tools.captioner.keras.files import KerasFile

__all__ = ["ChosenEncoder", "EncoderChoice", "choose_encoder", "open_encoder"]

_OLD_NAME: Final = "imagenet"  # of imagenet-2015, in earlier releases
_INCEPTION: Final = BY_NAME["keras"]
# How many kernels each network has; those of a file tell which it may be.
_KERNELS: Final = {
    "keras": 94,
    "vgg16": 13,
    "vgg19": 16,
    "resnet50": 53,
    "xception": 74,
    "densenet121": 120,
    "densenet201": 200,
}


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """What was said of the encoder: a name of `BY_NAME` or imagenet-2015, a file of its weights, both, or nothing."""

    name: str | None = None
    weights: Path | None = None

    @property
    def named(self) -> bool:
        """Whether anything was said."""
        return self.name is not None or self.weights is not None


@dataclass(frozen=True, slots=True)
class ChosenEncoder:
    """An encoder that was found, its weights read and not yet built in.

    `network` says what it is, and `file` where its weights lie; `content` is the file as it was read, None for the
    packaged archive. `of_2015` is whether the last pool takes maxima.
    """

    network: EncoderNetwork
    file: Path
    content: "KerasFile | None"
    of_2015: bool
    description: str
    weights: str
    licence: str | None

    def build(self) -> "Model":
        """Build the network in Keras with its weights.

        Raises KerasFileError or WeightsArchiveError when they do not fit, and ToolchainError without TensorFlow.
        """
        if self.content is None:
            return build_network(read_encoder_weights(self.file))
        network = self.network.build()
        if self.of_2015:
            network = with_maxima_last(network)
        try:
            fill_network(network, self.network, self.content)
        except KerasFileError as error:
            raise KerasFileError(f"{self.file} is not {self.network.builder}'s: {error}") from error
        return network

    def input_spec(self, resampling: Resampling, *, exif_transpose: bool) -> InputSpec:
        """Return how a bundle with this encoder reads its pictures."""
        return self.network.input_spec(resampling, exif_transpose=exif_transpose)


def choose_encoder(encoder: str | None, weights: Path | None) -> EncoderChoice:
    """Read the options `--encoder`, a name or a file, and `--encoder-weights`. Raises SettingsError."""
    if encoder is None or encoder in {IMAGENET_2015, _OLD_NAME} or encoder in BY_NAME:
        name = IMAGENET_2015 if encoder == _OLD_NAME else encoder
        return EncoderChoice(name, weights)
    if weights is not None:
        raise SettingsError(
            f"--encoder is {encoder!r}, which is none of {', '.join((IMAGENET_2015, *BY_NAME))}; beside "
            "--encoder-weights it names the network that they are of"
        )
    return EncoderChoice(None, Path(encoder))


def open_encoder(choice: EncoderChoice, width: int) -> ChosenEncoder:
    """Find the encoder for a decoder that takes `width` features, and read its weights.

    Raises:
        SettingsError: none is named, and no default gives so many features; or the named one does not.
        KerasFileError, ToolchainError: the weights cannot be read, are not there, or are of another network.
    """
    if choice.name == IMAGENET_2015 or not choice.named:
        _see_that_it_fits(choice, FEATURE_WIDTH, width)
        file = choice.weights or locate_packaged_weights()
        return _packaged(file, given=choice.weights is not None)
    if choice.name is not None:
        network = BY_NAME[choice.name]
        _see_that_it_fits(choice, network.width, width)
        file = choice.weights or _in_kerass_cache(network)
        return _of_file(network, file, _read(file))
    assert choice.weights is not None  # noqa: S101 - one of the two was said
    if _is_archive(choice.weights):
        _see_that_it_fits(choice, FEATURE_WIDTH, width)
        return _packaged(choice.weights, given=True)
    content = _read(choice.weights)
    kernels = kernels_in(content)
    fitting = [network for network in networks_of_width(width) if _KERNELS[network.name] == kernels]
    if not fitting:
        known = next((name for name, count in _KERNELS.items() if count == kernels), None)
        gives = f"looks like {BY_NAME[known].builder}, which gives {BY_NAME[known].width}" if known else "is unknown"
        raise KerasFileError(
            f"{choice.weights} has {kernels} kernels and {gives}; the decoder takes {width} features per picture, "
            f"{_who_gives(width)}"
        )
    return _of_file(fitting[0], choice.weights, content)


def _see_that_it_fits(choice: EncoderChoice, gives: int, width: int) -> None:
    if gives != width:
        named = f"{choice.name or choice.weights} gives {gives}" if choice.named else "no encoder is named"
        raise SettingsError(f"{named}; the decoder takes {width} features per picture, {_who_gives(width)}")


def _who_gives(width: int) -> str:
    names = [network.name for network in networks_of_width(width)]
    if not names:
        known = ", ".join(f"{network.name} {network.width}" for network in BY_NAME.values())
        return f"and none of the encoders that are known gives so many ({known})"
    return f"which {' or '.join(names)} gives: name with --encoder the one that made them"


def _packaged(file: Path, *, given: bool) -> ChosenEncoder:
    return ChosenEncoder(
        _INCEPTION,
        file,
        None,
        of_2015=True,
        description="InceptionV3, average-pool features, ImageNet, TensorFlow's weights of 2015-12-05",
        weights=file.name if given else f"{file.name} of {WEIGHTS_PACKAGE} {WEIGHTS_VERSION}",
        licence=None if given else PACKAGED_LICENCE,
    )


def _of_file(network: EncoderNetwork, file: Path, content: "KerasFile") -> ChosenEncoder:
    with file.open("rb") as stream:
        published = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == network.md5
    of_2015 = network is _INCEPTION and _takes_maxima_last(content)
    origin = ", ImageNet, the weights that keras.applications publishes" if published else ""
    return ChosenEncoder(
        network,
        file,
        content,
        of_2015,
        description=f"{network.builder}, {network.features}{origin}",
        weights=file.name,
        licence=None,
    )


def _read(file: Path) -> "KerasFile":
    try:
        content = read_keras_file(file)
    except KerasFileError as error:
        raise KerasFileError(f"the encoder cannot be read: {error}") from error
    if not content.arrays:
        raise KerasFileError(f"the encoder cannot be read: {file} is a description without weights")
    return content


def _in_kerass_cache(network: EncoderNetwork) -> Path:
    """Find the file where Keras puts what it downloads. Raises SettingsError, which says how to get it."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    file = home / "models" / network.file
    if file.is_file():
        return file
    call = f"{network.builder}(weights='imagenet'{'' if network.layer else ', include_top=False'})"
    raise SettingsError(
        f"no package carries {network.builder}'s weights, and {file} is not there: give its file with "
        f'--encoder-weights. Where there is a network, `python -c "import keras; keras.applications.{call}"` puts it '
        "there"
    )


def _is_archive(file: Path) -> bool:
    """Whether a file is a TorchScript archive, as the package has it."""
    try:
        with file.open("rb") as stream:
            if is_hdf5(stream.read(8)):
                return False
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _takes_maxima_last(file: "KerasFile") -> bool:
    layers = file.model.layers if file.model else ()
    # InceptionV3's other maximum pools shrink the picture.
    return any(layer.kind == "MaxPooling2D" and layer.options.get("strides") == [1, 1] for layer in layers)
