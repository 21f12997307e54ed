"""Scores a bundle's decoder over a set of pictures, with several ways of decoding.

It runs the TensorFlow Lite files by the serving layer, so that what is scored is what will be served. Refuses to score
by anything but the words that would be served.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.captioner import decode
from captioning.model.bundle import open_bundle
from captioning.model.decoding import Decoding
from captioning.model.interpreter import Decoder
from tools.captioner.dataset import read_dataset, read_features, read_names
from tools.captioner.figures import Evaluation
from tools.captioner.pictures import encode_pictures, find_pictures
from tools.captioner.progress import announce, progress
from tools.captioner.report import write_report
from tools.captioner.scores import score_captions
from tools.captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset

__all__ = ["evaluate_bundle", "evaluate_decodings", "list_decodings"]

MAX_WORDS: Final = 20
BEAM_WIDTHS: Final = (1, 3, 5)
LENGTH_PENALTIES: Final = (0.0, 0.7, 1.0)


def list_decodings(
    beam_widths: "Sequence[int] | None" = None, length_penalties: "Sequence[float] | None" = None
) -> list[Decoding]:
    """Every beam with every length penalty. Raises DecodingError for a value outside its limits.

    Greedy decoding, which no penalty changes, comes twice: free to repeat itself, and with repetitions barred.
    """
    decodings = []
    for width in beam_widths or BEAM_WIDTHS:
        if width == 1:
            decodings += [Decoding(1, 0.0, MAX_WORDS, no_repeat_ngram=0), Decoding(1, 0.0, MAX_WORDS)]
        else:
            decodings += [Decoding(width, penalty, MAX_WORDS) for penalty in length_penalties or LENGTH_PENALTIES]
    return decodings


def evaluate_decodings(
    decoder: "Path", vocabulary: "Vocabulary", dataset: "Dataset", decodings: "Sequence[Decoding]"
) -> list[Evaluation]:
    """Caption every picture of the dataset in each way, and score it. Raises ToolchainError without sacreBLEU."""
    network = Decoder(decoder)
    evaluations = []
    for decoding in decodings:
        captions = [
            tokenize(vocabulary.detokenise(decode(network, vocabulary, features[np.newaxis], decoding)[0].tokens))
            for features in progress(
                dataset.features, f"beam {decoding.beam_width}, penalty {decoding.length_penalty:g}"
            )
        ]
        evaluations.append(Evaluation(decoding, score_captions(captions, dataset.captions), tuple(captions)))
    return evaluations


def evaluate_bundle(
    bundle: "Path",
    data: "Path",
    pictures: "Path | None" = None,
    beam_widths: "Sequence[int] | None" = None,
    length_penalties: "Sequence[float] | None" = None,
    *,
    report: "Path | None" = None,
) -> list[Evaluation]:
    """Score a bundle on the validation split: from the pictures, by its own encoder, or else from the data's features.

    With a folder for it, the page of `tools.captioner.report` is written there.

    Raises CaptionerToolError, or the serving layer's CaptioningError for an unfit bundle or decoding.
    """
    opened = open_bundle(f"file://{bundle.resolve()}")
    decodings = list_decodings(beam_widths, length_penalties)
    folder = pictures or find_pictures(data, "val")
    if folder is None:
        announce("no pictures: scoring from the features given, not from the bundle's encoder")
        features = read_features(data / "features_val.npz")
    else:
        features = encode_pictures(opened.encoder, folder, read_names(data, "val"))
    dataset = read_dataset(data, "val", features)
    evaluations = evaluate_decodings(opened.decoder, opened.vocabulary, dataset, decodings)
    if report is not None:
        title = f"{opened.manifest.model_version} on {len(dataset.names)} pictures"
        announce(f"wrote {write_report(report, title, evaluations, dataset, folder)}")
    return evaluations
