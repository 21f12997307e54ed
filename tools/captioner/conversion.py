"""Converts a user's own caption model, as Keras saved it, to a bundle that says the same words.

Refuses to guess where a guess would change a caption: what the files do not say is asked for. A model that cannot be
converted exactly is not converted, and with `verify` nothing is written that does not do what its source does.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captioning.model.bundle import DECODER, ENCODER, VOCABULARY, InputSpec, Quantization, Resampling, open_bundle
from captioning.model.decoding import MAX_WORDS, Decoding
from tools.captioner.architecture import find_decoder
from tools.captioner.bundle import BundleParts, sha256_of, write_bundle
from tools.captioner.decoder import convert_weights
from tools.captioner.encoder import (
    FEATURE_WIDTH,
    INPUT_SIZE,
    PACKAGED_LICENCE,
    WEIGHTS_PACKAGE,
    WEIGHTS_VERSION,
    build_network,
    convert_network,
    locate_packaged_weights,
    read_encoder_weights,
)
from tools.captioner.errors import KerasFileError, SettingsError
from tools.captioner.keras_files import read_keras_file
from tools.captioner.pictures import draw_pictures, list_pictures
from tools.captioner.progress import announce
from tools.captioner.source import open_source
from tools.captioner.tokenizer import choose_vocabulary, read_tokenizer
from tools.captioner.toolchain import installed_versions, require_tensorflow
from tools.captioner.verification import verify_captions
from tools.captioner.vocabulary import to_json

if TYPE_CHECKING:
    from tools.captioner.architecture import CaptionDecoder

__all__ = ["DEFAULT_MAX_WORDS", "IMAGENET", "ConversionSettings", "SourceFiles", "choose_files", "convert_captioner"]

IMAGENET: Final = "imagenet"
DEFAULT_MAX_WORDS: Final = 40
# Of photographs like those that the decoder was trained on, so many tell its own encoder from another by this bound.
_TELLING_PICTURES: Final = 8
_FOREIGN_CORRELATION: Final = 0.3
_SCALE, _OFFSET = 1 / 127.5, -1.0


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of a trained captioner.

    With a model and weights, the model says how the layers are joined and the weights what they have learned. Without
    `encoder`, it is the packaged ImageNet network.
    """

    model: Path | None
    weights: Path | None
    tokenizer: Path
    encoder: Path | None = None


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """What the files do not say. `max_words` defaults to what the model's input holds."""

    quantization: Quantization = Quantization.DYNAMIC
    resampling: Resampling = Resampling.NEAREST
    exif_transpose: bool = False
    start: str | None = None
    end: str | None = None
    max_words: int | None = None
    licence: str | None = None


def choose_files(
    model: Path | None, weights: Path | None, tokenizer: Path | None, encoder: str, environment: Mapping[str, str]
) -> SourceFiles:
    """Complete the files given by MODEL_PATH, WEIGHTS_PATH and TOKENIZER_PATH.

    A model or weights that are given stand without what the environment says of the other. Raises SettingsError.
    """

    def named(variable: str) -> Path | None:
        return Path(environment[variable]) if environment.get(variable) else None

    if model is None and weights is None:
        model, weights = named("MODEL_PATH"), named("WEIGHTS_PATH")
    tokenizer = tokenizer or named("TOKENIZER_PATH")
    if model is None and weights is None:
        raise SettingsError("no model is given: name it with --model or --weights, or in MODEL_PATH or WEIGHTS_PATH")
    if tokenizer is None:
        raise SettingsError("no tokenizer is given: name it with --tokenizer, or in TOKENIZER_PATH")
    return SourceFiles(model, weights, tokenizer, None if encoder == IMAGENET else Path(encoder))


def convert_captioner(
    files: SourceFiles, settings: ConversionSettings, out: Path, *, verify: bool = False, pictures: Path | None = None
) -> str:
    """Convert the files to the bundle `out`, and give back its version.

    With `verify`, the bundle is first compared with its source over the pictures of a folder, or over drawn ones, and
    the manifest has the result. Raises CaptionerToolError; `out` is then as it was.
    """
    announce(f"reading {files.model or files.weights}")
    decoder = _read_decoder(files)
    tokens, width = decoder.weights.embedding.shape[0], len(decoder.weights.features.mean)
    vocabulary = choose_vocabulary(read_tokenizer(files.tokenizer), tokens, settings.start, settings.end)
    max_words = _longest_caption(decoder, settings.max_words)
    announce(
        f"found a decoder of {tokens} tokens and {len(decoder.weights.image.mean)} units; captions begin with "
        f"{vocabulary.words[vocabulary.start]!r}, end with {vocabulary.words[vocabulary.end]!r}, and have at most "
        f"{max_words} words"
    )
    if width != FEATURE_WIDTH:
        raise KerasFileError(f"the decoder takes {width} features per picture, and InceptionV3 gives {FEATURE_WIDTH}")
    encoder = files.encoder or locate_packaged_weights()
    weights = read_encoder_weights(encoder)
    samples = list_pictures(pictures) if verify and pictures else []
    require_tensorflow()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / VOCABULARY).write_text(to_json(vocabulary), encoding="utf-8")
        announce("converting the decoder")
        (folder / DECODER).write_bytes(convert_weights(decoder.weights))
        announce(f"converting the encoder, quantization {settings.quantization} (about half a minute)")
        network = build_network(weights)
        (folder / ENCODER).write_bytes(convert_network(network, settings.quantization))
        parts = BundleParts(
            folder,
            settings.quantization,
            Decoding(1, 0.0, max_words, no_repeat_ngram=0),
            _provenance(files, decoder, encoder, settings.quantization),
            _licence(files, settings.licence),
            InputSpec(INPUT_SIZE, INPUT_SIZE, settings.resampling, settings.exif_transpose, _SCALE, _OFFSET),
        )
        if verify:
            source = open_source(decoder, files.model, files.weights, max_words)
            announce(f"comparing with the source, {source.run_by}")
            rehearsal = folder / "rehearsal"
            write_bundle(rehearsal, parts)
            verification = verify_captions(
                source,
                network,
                open_bundle(rehearsal.as_uri()),
                samples or draw_pictures(folder / "drawn"),
                photographs=len(samples) >= _TELLING_PICTURES,
            )
            announce(verification.summary())
            if (correlation := verification.features_correlation) is not None and correlation < _FOREIGN_CORRELATION:
                announce(
                    f"WARNING: the encoder's features do not look like those that the decoder was trained on "
                    f"(correlation {correlation:.2f}): give the encoder that made them with --encoder, or captions "
                    "mean nothing"
                )
            parts = replace(parts, provenance={**parts.provenance, "verification": asdict(verification)})
        version = write_bundle(out, parts)
    announce(f"wrote {out}: {version}")
    return version


def _read_decoder(files: SourceFiles) -> "CaptionDecoder":
    given = [read_keras_file(path) for path in (files.model, files.weights) if path is not None]
    try:
        return find_decoder(*given)
    except KerasFileError as error:
        raise KerasFileError(f"{files.model or files.weights}: {error}") from error


def _longest_caption(decoder: "CaptionDecoder", chosen: int | None) -> int:
    if decoder.longest is None and chosen is None:
        announce(f"the files do not say how long a caption may get: at most {DEFAULT_MAX_WORDS} words (--max-words)")
    held = decoder.longest or MAX_WORDS
    if chosen is not None and not 1 <= chosen <= min(held, MAX_WORDS):
        raise SettingsError(
            f"--max-words must be between 1 and {min(held, MAX_WORDS)}, what the model's input holds: {chosen}"
        )
    return chosen or min(decoder.longest or DEFAULT_MAX_WORDS, MAX_WORDS)


def _provenance(
    files: SourceFiles, decoder: "CaptionDecoder", encoder: Path, quantization: Quantization
) -> dict[str, object]:
    packaged = files.encoder is None
    return {
        "decoder": {
            "architecture": "merge of an image vector and an LSTM"
            + (
                ""
                if decoder.inputs
                else ", recognised by the shapes of its arrays; its options are assumed to be Keras's defaults"
            ),
            **{
                name: {"file": path.name, "sha256": sha256_of(path)}
                for name, path in (("model", files.model), ("weights", files.weights), ("tokenizer", files.tokenizer))
                if path is not None
            },
        },
        "encoder": {
            "network": "InceptionV3, average-pool features"
            + (", ImageNet, TensorFlow's weights of 2015-12-05" if packaged else ""),
            "weights": f"{encoder.name} of {WEIGHTS_PACKAGE} {WEIGHTS_VERSION}" if packaged else encoder.name,
            "weights_sha256": sha256_of(encoder),
            "quantization": quantization,
        },
        "tools": installed_versions(),
    }


def _licence(files: SourceFiles, licence: str | None) -> dict[str, str]:
    source = (files.model or files.weights or files.tokenizer).name
    encoder = f"; encoder: {PACKAGED_LICENCE}" if files.encoder is None else ""
    return {
        "weights": f"{licence or f'converted from {source}, whose licence the converter was not told'}{encoder}",
        "data": "not told",
    }
