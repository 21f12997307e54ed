"""Converts a user's own caption model, as Keras saved it, to a bundle that says the same words.

Refuses to guess where a guess would change a caption: what the files do not say is asked for. A model that cannot be
converted exactly is not converted, and with `verify` nothing is written that does not do what its source does.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captioning.model.bundle import DECODER, ENCODER, VOCABULARY, Quantization, Resampling, open_bundle
from captioning.model.decoding import MAX_WORDS, Decoding
from tools.captioner.bundle import BundleParts, sha256_of, write_bundle
from tools.captioner.decoder import convert_network as convert_decoder_network
from tools.captioner.encoder import convert_network
from tools.captioner.encoders.choosing import EncoderChoice, choose_encoder, open_encoder
from tools.captioner.errors import KerasFileError, SettingsError
from tools.captioner.keras.architecture import find_decoder
from tools.captioner.keras.files import read_keras_file
from tools.captioner.keras.source import open_source
from tools.captioner.network import Padding
from tools.captioner.own_run import compare_with_own_run, read_own_run, require_agreement
from tools.captioner.pictures import draw_pictures, list_pictures
from tools.captioner.progress import announce
from tools.captioner.tokenizers.choosing import PLAIN_MARKS, choose_vocabulary
from tools.captioner.tokenizers.reading import read_tokenizer
from tools.captioner.toolchain import installed_versions, require_tensorflow
from tools.captioner.verification import verify_captions
from tools.captioner.vocabulary import to_json

if TYPE_CHECKING:
    from keras import Model

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.encoders.choosing import ChosenEncoder
    from tools.captioner.keras.architecture import CaptionDecoder
    from tools.captioner.keras.source import SourceModel
    from tools.captioner.own_run import OwnCaption
    from tools.captioner.tokenizers.reading import Tokenizer

__all__ = [
    "DEFAULT_MAX_WORDS",
    "DEFAULT_SAMPLES",
    "ConversionSettings",
    "SourceFiles",
    "VerificationWish",
    "choose_files",
    "convert_captioner",
]

DEFAULT_MAX_WORDS: Final = 40
DEFAULT_SAMPLES: Final = 50
# Of photographs like those that the decoder was trained on, so many tell its own encoder from another by this bound.
_TELLING_PICTURES: Final = 8
_FOREIGN_CORRELATION: Final = 0.3


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of a trained captioner.

    With a model and weights, the model says how the layers are joined and the weights what they have learned.
    """

    model: Path | None
    weights: Path | None
    tokenizer: Path
    encoder: EncoderChoice = field(default_factory=EncoderChoice)


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """What the files do not say.

    `max_words` defaults to what the model's input holds. `padded_to` and `padding` are how captions were padded in
    training; they matter only where the model does not skip padding.
    """

    quantization: Quantization = Quantization.DYNAMIC
    resampling: Resampling = Resampling.NEAREST
    exif_transpose: bool = False
    start: str | None = None
    end: str | None = None
    max_words: int | None = None
    padded_to: int | None = None
    padding: Padding | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationWish:
    """What to compare a bundle with before it is written.

    `source`: the model itself, over at most `samples` pictures of the folder `pictures`, or over drawn ones.
    `own_run`: a CSV of the captions of the user's own run, of pictures in `pictures` or beside it.
    """

    source: bool = False
    own_run: Path | None = None
    pictures: Path | None = None
    samples: int = DEFAULT_SAMPLES


def choose_files(
    model: Path | None,
    weights: Path | None,
    tokenizer: Path | None,
    encoder: str | None,
    environment: Mapping[str, str],
    *,
    encoder_weights: Path | None = None,
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
    return SourceFiles(model, weights, tokenizer, choose_encoder(encoder, encoder_weights))


def convert_captioner(
    files: SourceFiles, settings: ConversionSettings, out: Path, wish: VerificationWish | None = None
) -> str:
    """Convert the files to the bundle `out`, and give back its version.

    With a `wish`, the bundle is first compared, and the manifest has the result. Raises CaptionerToolError; `out` is
    then as it was.
    """
    wish = wish or VerificationWish()
    announce(f"reading {files.model or files.weights}")
    decoder = _read_decoder(files, settings)
    network = decoder.network
    tokenizer = read_tokenizer(files.tokenizer)
    vocabulary = choose_vocabulary(tokenizer, network.tokens, settings.start, settings.end)
    max_words = _longest_caption(decoder, settings.max_words)
    _announce_decoder(decoder, vocabulary, settings, max_words)
    _announce_words(tokenizer, vocabulary)
    encoder = open_encoder(files.encoder, network.features)
    own = read_own_run(wish.own_run, wish.pictures) if wish.own_run else []
    samples = _samples(wish) if wish.source and wish.pictures else []
    announce(f"the encoder is {encoder.description} ({encoder.weights})")
    require_tensorflow()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / VOCABULARY).write_text(to_json(vocabulary), encoding="utf-8")
        announce("converting the decoder")
        (folder / DECODER).write_bytes(convert_decoder_network(network))
        announce(f"converting the encoder, quantization {settings.quantization} (about half a minute)")
        built = encoder.build()
        (folder / ENCODER).write_bytes(convert_network(built, settings.quantization))
        parts = BundleParts(
            folder,
            settings.quantization,
            Decoding(1, 0.0, max_words, no_repeat_ngram=0),
            _provenance(files, decoder, settings, encoder),
            _licence(files, settings.licence, encoder),
            encoder.input_spec(settings.resampling, exif_transpose=settings.exif_transpose),
        )
        found: dict[str, object] = {}
        compared: str | None = None
        if wish.source or own:
            rehearsal = folder / "rehearsal"
            write_bundle(rehearsal, parts)
            if wish.source:
                source = open_source(decoder, files.model, files.weights, max_words)
                found, compared = _compare_with_source(source, built, rehearsal, samples)
            if own:
                found["own_run"] = _compare_with_own_run(own, built, rehearsal, settings.quantization)
                compared = "the captions of the user's own run, which it repeats"
        elif settings.quantization is Quantization.DYNAMIC:
            announce(
                "not compared: of a thousand photographs, 673 kept their caption with an 8-bit encoder; --pictures "
                "counts yours, and --quantize none keeps them all"
            )
        if not files.encoder.named and compared is None:
            announce(
                "WARNING: no encoder was named, and nobody has compared the features of the one that was taken with "
                "those that the captioner was trained on. Nearly all public captioners were trained on "
                "keras.applications' own weights: --encoder keras. With another encoder, captions mean nothing"
            )
        parts = replace(parts, provenance=_with_comparison(parts.provenance, files.encoder, found, compared))
        version = write_bundle(out, parts)
    announce(f"wrote {out}: {version}")
    return version


def _announce_decoder(
    decoder: "CaptionDecoder", vocabulary: "Vocabulary", settings: ConversionSettings, max_words: int
) -> None:
    network = decoder.network
    start, end = vocabulary.words[vocabulary.start], vocabulary.words[vocabulary.end]
    announce(
        f"found a decoder of {network.tokens} tokens, for {network.features} features per picture; captions begin with "
        f"{start!r}, end with {end!r}, and have at most {max_words} words"
    )
    if settings.start is None and (start.lower(), end.lower()) in PLAIN_MARKS:
        announce(
            f"{start!r} and {end!r} may be words of captions, too: if they are not the marks, give --start-word and "
            "--end-word"
        )
    if decoder.assumed:
        announce(f"the weights came without a description: {decoder.assumed}")
    if not network.recurrent:
        said = "as --padding says" if settings.padding else "as pad_sequences does unasked (--padding post for behind)"
        where = "in front" if network.padding is Padding.PRE else "behind"
        announce(
            "the model does not skip padding, runs backward, or puts the picture before the words: for each word, all "
            f"{network.length} positions are computed; captions are padded {where}, {said}"
        )


def _announce_words(tokenizer: "Tokenizer", vocabulary: "Vocabulary") -> None:
    if tokenizer.assumed:
        announce(f"of the tokenizer, {tokenizer.assumed}: if a word looks wrong, save it again in UTF-8")
    for token in vocabulary.paddings():
        announce(
            f"WARNING: the tokenizer has {vocabulary.words[token]!r} by the number {token}, and padding is number 0: "
            f"it is never said. If captions were padded with {token} in training, compare with captions of your own "
            "run (--verify captions.csv)"
        )


def _samples(wish: VerificationWish) -> list[Path]:
    if wish.samples < 1:
        raise SettingsError(f"--samples must be at least 1, not {wish.samples}")
    assert wish.pictures is not None  # noqa: S101 - asked before
    found = list_pictures(wish.pictures)
    if len(found) > wish.samples:
        announce(
            f"comparing {wish.samples} of the {len(found)} pictures in {wish.pictures} (--samples {len(found)}: all)"
        )
    return found[: wish.samples]


def _compare_with_source(
    source: "SourceModel", built: "Model", rehearsal: Path, samples: list[Path]
) -> tuple[dict[str, object], str | None]:
    """Compare over pictures; return the figures, and by what the encoder was compared, if it was."""
    announce(f"comparing with the source, {source.run_by}")
    bundle = open_bundle(rehearsal.as_uri())
    verification = verify_captions(
        source,
        built,
        bundle,
        samples or draw_pictures(rehearsal / "drawn"),
        photographs=len(samples) >= _TELLING_PICTURES,
    )
    announce(verification.summary(bundle.manifest.encoder_quantization))
    correlation = verification.features_correlation
    if correlation is not None and correlation < _FOREIGN_CORRELATION:
        announce(
            f"WARNING: the encoder's features do not look like those that the decoder was trained on "
            f"(correlation {correlation:.2f}): give the encoder that made them with --encoder, or captions "
            "mean nothing"
        )
    compared = None if correlation is None else f"the mean of its features, correlation {correlation:.2f}"
    return asdict(verification), compared


def _compare_with_own_run(
    own: "list[OwnCaption]", built: "Model", rehearsal: Path, quantization: Quantization
) -> dict[str, object]:
    """Hold a float32 encoder to the user's captions, and count what an 8-bit one keeps of them."""
    bundle = open_bundle(rehearsal.as_uri())
    exact = bundle.encoder
    if quantization is Quantization.DYNAMIC:
        exact = rehearsal / "exact.tflite"
        exact.write_bytes(convert_network(built, Quantization.NONE))
    agreement = compare_with_own_run(bundle, own, exact)
    announce(f"with a float32 encoder, {agreement.summary()}")
    require_agreement(agreement)
    found: dict[str, object] = {"captions": agreement.captions, "same": agreement.same}
    if quantization is Quantization.DYNAMIC:
        kept = compare_with_own_run(bundle, own)
        announce(f"with the 8-bit encoder, {kept.summary()}")
        found["same"] = kept.same
        found["same_by_float32"] = agreement.same
    return found


def _read_decoder(files: SourceFiles, settings: ConversionSettings) -> "CaptionDecoder":
    given = [read_keras_file(path) for path in (files.model, files.weights) if path is not None]
    padding = settings.padding or Padding.PRE
    try:
        return find_decoder(*given, length=settings.padded_to, padding=padding)
    except KerasFileError as error:
        raise KerasFileError(f"{files.model or files.weights}: {error}") from error


def _longest_caption(decoder: "CaptionDecoder", chosen: int | None) -> int:
    longest = decoder.longest or decoder.network.length or None
    if longest is None and chosen is None:
        announce(f"the files do not say how long a caption may get: at most {DEFAULT_MAX_WORDS} words (--max-words)")
    held = longest or MAX_WORDS
    if chosen is not None and not 1 <= chosen <= min(held, MAX_WORDS):
        raise SettingsError(
            f"--max-words must be between 1 and {min(held, MAX_WORDS)}, what the model's input holds: {chosen}"
        )
    return chosen or min(longest or DEFAULT_MAX_WORDS, MAX_WORDS)


def _provenance(
    files: SourceFiles, decoder: "CaptionDecoder", settings: ConversionSettings, encoder: "ChosenEncoder"
) -> dict[str, object]:
    network = decoder.network
    how = f"one step per word, over {network.state} numbers"
    if not network.recurrent:
        said = "as --padding says" if settings.padding else "Keras's default, which nobody named"
        how = f"all {network.length} positions for each word, padded {network.padding} ({said})"
    return {
        "decoder": {
            "architecture": " -> ".join(f"{node.name} {node.operation.__class__.__name__}" for node in network.nodes),
            "run": how,
            "assumed": decoder.assumed,
            **{
                name: {"file": path.name, "sha256": sha256_of(path)}
                for name, path in (("model", files.model), ("weights", files.weights), ("tokenizer", files.tokenizer))
                if path is not None
            },
        },
        "encoder": {
            "network": encoder.description,
            "weights": encoder.weights,
            "weights_sha256": sha256_of(encoder.file),
            "quantization": settings.quantization,
            "named": files.encoder.named,
        },
        "tools": installed_versions(),
    }


def _with_comparison(
    provenance: Mapping[str, object], choice: EncoderChoice, found: Mapping[str, object], compared: str | None
) -> dict[str, object]:
    encoder = provenance["encoder"]
    assert isinstance(encoder, dict)  # noqa: S101 - made above
    unnamed = "the encoder was not named, and nobody has compared its features with those of the training"
    judged = {**encoder, "compared_by": compared}
    if compared is None and not choice.named:
        judged["warning"] = unnamed
    return {**provenance, "encoder": judged, **({"verification": dict(found)} if found else {})}


def _licence(files: SourceFiles, licence: str | None, encoder: "ChosenEncoder") -> dict[str, str]:
    source = (files.model or files.weights or files.tokenizer).name
    packaged = f"; encoder: {encoder.licence}" if encoder.licence else ""
    return {
        "weights": f"{licence or f'converted from {source}, whose licence the converter was not told'}{packaged}",
        "data": "not told",
    }
