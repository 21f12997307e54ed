"""The bundle: a folder that holds a captioner, and the manifest that says what is in it.

    manifest.json     format version, model version, files with sha256 and size, input, decoding, quantization,
                      provenance, licence, and perhaps how to read a confidence
    encoder.tflite    picture -> features
    decoder.tflite    features -> image vector; one word's step; perhaps features -> topics
    vocabulary.json   what the decoder's tokens mean, and its topics

This module refuses, with a BundleError that names the file, a file that is not exactly as the manifest says, and a
manifest with missing or unknown fields: a wrong bundle must never produce a wrong caption. `captioning.sources.port`
says where bundles come from and which one is current.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path

from captioning.errors import BundleError, DecodingError
from captioning.model.confidence import Calibration, Evidence, Factor
from captioning.model.decoding import Decoding
from captioning.model.vocabulary import Vocabulary, parse_vocabulary
from storage.documents import DocumentError, Node, parse
from storage.errors import UrlError
from storage.urls import Folder, parse_source

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
ENCODER = "encoder.tflite"
DECODER = "decoder.tflite"
VOCABULARY = "vocabulary.json"
MAX_MANIFEST_BYTES = 1 << 20
MAX_INPUT_SIDE = 2048

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_NUMBER = 1e6

_TOP = {"format_version", "model_version", "files", "input", "decoding", "quantization", "provenance", "licence"}
_OPTIONAL = {"confidence"}
_INPUT = {"width", "height", "resampling", "exif_transpose", "scale", "offset"}
_CHANNELS = 3


class Resampling(StrEnum):
    """The filter that resizes pictures to the encoder's size."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Quantization(StrEnum):
    """How a model stores its weights: as float32, or as int8 with a scale (dynamic range)."""

    NONE = "none"
    DYNAMIC = "dynamic"


class Channels(StrEnum):
    """The order of a pixel's channels."""

    RGB = "rgb"
    BGR = "bgr"


PerChannel = float | tuple[float, float, float]
"""One number for all channels, or one for each, in their order."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The encoder's input: levels p of 0 to 255 become `p * scale + offset`, float32 [1, height, width, 3].

    `width` and `height` are pixels; the channels come in the order `channels`. With `scaled_decoding`, a large JPEG is
    decoded at 1/2, 1/4 or 1/8 of its size, to at least twice the encoder's sides: this is faster, and differs from the
    exact picture by a few levels.
    """

    width: int
    height: int
    resampling: Resampling
    exif_transpose: bool
    scale: PerChannel
    offset: PerChannel
    scaled_decoding: bool = False
    channels: Channels = Channels.RGB


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file as the manifest describes it; `size` is in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A validated manifest, without provenance and licence, which people read in the file itself.

    `calibration` is None where the manifest has no `confidence`.
    """

    model_version: str
    files: tuple[BundleFile, ...]
    input: InputSpec
    decoding: Decoding
    encoder_quantization: Quantization
    decoder_quantization: Quantization
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files were as the manifest says when it was opened."""

    manifest: Manifest
    vocabulary: Vocabulary
    encoder: Path
    decoder: Path


def open_bundle(url: str) -> Bundle:
    """Open the bundle at `file://folder` (relative to the working directory) or `file:///folder`, and check every file.

    Raises:
        BundleError: `url` names no folder, or the bundle cannot be used.
    """
    try:
        place = parse_source(url)
    except UrlError as error:
        raise BundleError(url, error.reason) from error
    if not isinstance(place, Folder):
        raise BundleError(url, "a bundle in a folder is named by a URL such as file://models/flickr8k")
    return read_bundle(place.path)


def read_bundle(folder: Path, *, place: str | None = None) -> Bundle:
    """Open the bundle in a folder, and check every file.

    Each file is read once, to hash it; the runtime maps the models from the disk. `place`, if given, is where the files
    were downloaded from: errors then name it in place of the folder.

    Raises:
        BundleError: a file is missing, or is not as the manifest says.
    """
    place = place or str(folder)
    manifest = parse_manifest(read_manifest(folder, place=place), file=f"{place}/{MANIFEST}")
    for file in manifest.files:
        _check(folder, file, place)
    vocabulary = parse_vocabulary((folder / VOCABULARY).read_bytes(), file=f"{place}/{VOCABULARY}")
    return Bundle(manifest, vocabulary, encoder=folder / ENCODER, decoder=folder / DECODER)


def read_manifest(folder: Path, *, place: str | None = None) -> bytes:
    """Read the manifest's bytes, at most one more than `MAX_MANIFEST_BYTES`.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{place or folder}/{MANIFEST}", error.strerror or "cannot be read") from error


def parse_manifest(content: bytes, *, file: str = MANIFEST) -> Manifest:
    """Read and check a manifest of format version 1.

    Raises:
        BundleError: a field is missing, unknown or wrong; the message names `file` and the field.
    """
    try:
        document = parse(content, most=MAX_MANIFEST_BYTES)
        # The version comes first: in another version all other fields may differ.
        document.get("format_version").version(FORMAT_VERSION)
        manifest = document.members(_TOP, _OPTIONAL)
        for name in ("provenance", "licence"):
            manifest[name].members()
        quantization = manifest["quantization"].members({"encoder", "decoder"})
        return Manifest(
            model_version=manifest["model_version"].text(_VERSION),
            files=_files(manifest["files"]),
            input=_input(manifest["input"]),
            decoding=_decoding(manifest["decoding"]),
            encoder_quantization=quantization["encoder"].choice(Quantization),
            decoder_quantization=quantization["decoder"].choice(Quantization),
            calibration=_calibration(manifest["confidence"]) if "confidence" in manifest else None,
        )
    except DocumentError as error:
        raise BundleError(file, str(error)) from error


def _files(node: Node) -> tuple[BundleFile, ...]:
    # The three names are fixed, so that no name can be a path out of the folder.
    files = node.members({ENCODER, DECODER, VOCABULARY})
    described = ((name, files[name].members({"sha256", "bytes"})) for name in (ENCODER, DECODER, VOCABULARY))
    return tuple(BundleFile(name, file["sha256"].text(_SHA256), file["bytes"].integer(1)) for name, file in described)


def _input(node: Node) -> InputSpec:
    given = node.members(_INPUT, {"scaled_decoding", "channels"})
    return InputSpec(
        width=given["width"].integer(1, MAX_INPUT_SIDE),
        height=given["height"].integer(1, MAX_INPUT_SIDE),
        resampling=given["resampling"].choice(Resampling),
        exif_transpose=given["exif_transpose"].boolean(),
        scale=_per_channel(given["scale"]),
        offset=_per_channel(given["offset"]),
        scaled_decoding="scaled_decoding" in given and given["scaled_decoding"].boolean(),
        channels=given["channels"].choice(Channels) if "channels" in given else Channels.RGB,
    )


def _per_channel(node: Node) -> PerChannel:
    if not isinstance(node.value, list):
        return node.number(-_MAX_NUMBER, _MAX_NUMBER)
    first, second, third = (one.number(-_MAX_NUMBER, _MAX_NUMBER) for one in node.entries(_CHANNELS))
    return first, second, third


def _decoding(node: Node) -> Decoding:
    given = node.members({"beam_width", "length_penalty", "max_words"}, {"no_repeat_ngram", "topic_weight"})
    try:
        return Decoding(**{name: option.value for name, option in given.items()})  # type: ignore[arg-type]  # it checks them
    except DecodingError as error:
        node.refuse(f"cannot be used: {error}")


def _calibration(node: Node) -> Calibration:
    given = node.members({"intercept", "factors", "sure_from"}, {"picture"})
    factors = given["factors"].members(set(), set(Evidence))
    if ("picture" in given) != (Evidence.PICTURE in factors):
        node.refuse("has weights of the picture's features, picture, if and only if picture is one of the factors")
    described = ((Evidence(name), factor.members({"weight", "mean"})) for name, factor in factors.items())
    return Calibration(
        intercept=given["intercept"].number(-_MAX_NUMBER, _MAX_NUMBER),
        factors={
            evidence: Factor(*(factor[name].number(-_MAX_NUMBER, _MAX_NUMBER) for name in ("weight", "mean")))
            for evidence, factor in described
        },
        sure_from=given["sure_from"].number(0, 1),
        picture=tuple(one.number(-_MAX_NUMBER, _MAX_NUMBER) for one in given["picture"].entries())
        if "picture" in given
        else (),
    )


def _check(folder: Path, file: BundleFile, place: str) -> None:
    """Compare a file with the manifest, without reading all of it into memory."""
    try:
        size = (folder / file.name).stat().st_size
        if size == file.size:
            with (folder / file.name).open("rb") as stream:
                digest = file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{place}/{file.name}", error.strerror or "cannot be read") from error
    if size != file.size:
        raise BundleError(f"{place}/{file.name}", f"has {size} bytes, and the manifest says {file.size}")
    if digest != file.sha256:
        raise BundleError(f"{place}/{file.name}", f"has the sha256 {digest}, and the manifest says {file.sha256}")
