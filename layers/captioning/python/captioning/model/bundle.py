"""The bundle: a folder that holds a captioner, and the manifest that says what is in it.

    manifest.json     format version, model version, files with sha256 and size, input, decoding, quantization,
                      provenance, licence
    encoder.tflite    picture -> features
    decoder.tflite    features -> image vector; one word's step
    vocabulary.json   what the decoder's tokens mean

Refuses, with a BundleError that names the file, whatever is not exactly as the manifest says, and any manifest that
says too little or too much: a wrong bundle must never become a wrong caption. Where bundles come from, and which one is
current there, is `captioning.sources.port`'s to know.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path

from captioning.errors import BundleError, DecodingError
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
_INPUT = {"width", "height", "resampling", "exif_transpose", "scale", "offset"}


class Resampling(StrEnum):
    """How pictures are brought to the encoder's size."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Quantization(StrEnum):
    """How a model's weights are held: float32, or int8 with a scale (dynamic range)."""

    NONE = "none"
    DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the encoder wants: levels p of 0 to 255 become `p * scale + offset`, float32 [1, height, width, 3].

    `scaled_decoding` lets a large JPEG be decoded at a half, a quarter or an eighth of its size, while twice the
    encoder's sides remain: faster, and off from the exact picture by a few levels.
    """

    width: int
    height: int
    resampling: Resampling
    exif_transpose: bool
    scale: float
    offset: float
    scaled_decoding: bool = False


@dataclass(frozen=True, slots=True)
class BundleFile:
    """What the manifest says of one file."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A validated manifest. Provenance and licence are for people to read, in the file; they are not carried here."""

    model_version: str
    files: tuple[BundleFile, ...]
    input: InputSpec
    decoding: Decoding
    encoder_quantization: Quantization
    decoder_quantization: Quantization


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are present and, when it was opened, were what the manifest says."""

    manifest: Manifest
    vocabulary: Vocabulary
    encoder: Path
    decoder: Path


def open_bundle(url: str) -> Bundle:
    """Open the bundle at `file://folder` (relative to the working directory) or `file:///folder`, and check every file.

    Raises BundleError.
    """
    try:
        place = parse_source(url)
    except UrlError as error:
        raise BundleError(url, error.reason) from error
    if not isinstance(place, Folder):
        raise BundleError(url, "a bundle in a folder is named by a URL such as file://models/flickr8k")
    return read_bundle(place.path)


def read_bundle(folder: Path, *, place: str | None = None) -> Bundle:
    """Open the bundle in a folder, and check every file. Errors name the files as in `place`, if they came from there.

    Reads each file once, to hash it; the models stay on disk for the runtime to map. Raises BundleError.
    """
    place = place or str(folder)
    manifest = parse_manifest(read_manifest(folder, place=place), file=f"{place}/{MANIFEST}")
    for file in manifest.files:
        _check(folder, file, place)
    vocabulary = parse_vocabulary((folder / VOCABULARY).read_bytes(), file=f"{place}/{VOCABULARY}")
    return Bundle(manifest, vocabulary, encoder=folder / ENCODER, decoder=folder / DECODER)


def read_manifest(folder: Path, *, place: str | None = None) -> bytes:
    """The manifest's bytes as they are, no more than one too many. Raises BundleError if it cannot be read."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{place or folder}/{MANIFEST}", error.strerror or "cannot be read") from error


def parse_manifest(content: bytes, *, file: str = MANIFEST) -> Manifest:
    """Read a manifest of format version 1, every field of it.

    Raises:
        BundleError: it says too little, too much or what cannot be; the message names `file` and the field.
    """
    try:
        document = parse(content, most=MAX_MANIFEST_BYTES)
        # The version comes first: of another version nothing else can be expected to fit.
        document.get("format_version").version(FORMAT_VERSION)
        manifest = document.members(_TOP)
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
        )
    except DocumentError as error:
        raise BundleError(file, str(error)) from error


def _files(node: Node) -> tuple[BundleFile, ...]:
    # The three names are fixed, so no name can lead out of the folder.
    files = node.members({ENCODER, DECODER, VOCABULARY})
    described = ((name, files[name].members({"sha256", "bytes"})) for name in (ENCODER, DECODER, VOCABULARY))
    return tuple(BundleFile(name, file["sha256"].text(_SHA256), file["bytes"].integer(1)) for name, file in described)


def _input(node: Node) -> InputSpec:
    given = node.members(_INPUT, {"scaled_decoding"})
    return InputSpec(
        width=given["width"].integer(1, MAX_INPUT_SIDE),
        height=given["height"].integer(1, MAX_INPUT_SIDE),
        resampling=given["resampling"].choice(Resampling),
        exif_transpose=given["exif_transpose"].boolean(),
        scale=given["scale"].number(-_MAX_NUMBER, _MAX_NUMBER),
        offset=given["offset"].number(-_MAX_NUMBER, _MAX_NUMBER),
        scaled_decoding="scaled_decoding" in given and given["scaled_decoding"].boolean(),
    )


def _decoding(node: Node) -> Decoding:
    given = node.members({"beam_width", "length_penalty", "max_words"}, {"no_repeat_ngram"})
    try:
        return Decoding(**{name: option.value for name, option in given.items()})  # type: ignore[arg-type]  # it checks them
    except DecodingError as error:
        node.refuse(f"cannot be used: {error}")


def _check(folder: Path, file: BundleFile, place: str) -> None:
    """Compare a file with the manifest, without holding it in memory."""
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
