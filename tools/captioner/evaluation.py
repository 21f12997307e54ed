"""Scores a bundle's decoder over a set of pictures, with several ways of decoding.

It runs the TensorFlow Lite files by the serving layer, so that what is scored is what will be served. Refuses to score
by anything but the words that would be served.
"""

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.captioner import Captioner, decode
from captioning.model.bundle import MANIFEST, open_bundle
from captioning.model.decoding import Decoding
from captioning.model.interpreter import Decoder
from tools.captioner.dataset import part_of, read_captions, read_dataset, read_features, read_names
from tools.captioner.errors import DatasetError
from tools.captioner.figures import Evaluation
from tools.captioner.pictures import encode_pictures, find_pictures
from tools.captioner.progress import announce, progress
from tools.captioner.report import write_report
from tools.captioner.scores import score_captions
from tools.captioner.sentences import judge_sentences
from tools.captioner.trust import as_good_as_people, judge_trust
from tools.captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from captioning.model.confidence import Calibration
    from captioning.model.decoding import Hypothesis
    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset, Part

__all__ = ["MAX_WORDS", "evaluate_bundle", "evaluate_decodings", "list_decodings", "search_captions"]

MAX_WORDS: Final = 20
BEAM_WIDTHS: Final = (1, 3, 5)
LENGTH_PENALTIES: Final = (0.0, 0.7, 1.0)


def list_decodings(
    beam_widths: "Sequence[int] | None" = None,
    length_penalties: "Sequence[float] | None" = None,
    topic_weights: "Sequence[float]" = (0.0,),
) -> list[Decoding]:
    """Every beam with every length penalty and topic weight. Raises DecodingError for a value outside its limits.

    Greedy decoding, which none of them changes, comes twice: free to repeat itself, and with repetitions barred.
    """
    decodings = []
    for width in beam_widths or BEAM_WIDTHS:
        # Those of a beam of 1 are made too: a value outside its limits is no better where it changes nothing.
        every = [
            Decoding(width, penalty, MAX_WORDS, topic_weight=weight)
            for penalty in length_penalties or LENGTH_PENALTIES
            for weight in topic_weights
        ]
        greedy = [Decoding(1, 0.0, MAX_WORDS, no_repeat_ngram=0), Decoding(1, 0.0, MAX_WORDS)]
        decodings += greedy if width == 1 else every
    return decodings


def search_captions(
    decoder: "Path", vocabulary: "Vocabulary", dataset: "Dataset", decoding: Decoding
) -> "list[list[Hypothesis]]":
    """Search captions of every picture of the dataset, best first, as they would be served."""
    network = Decoder(decoder)
    return [
        decode(network, vocabulary, features[np.newaxis], decoding)
        for features in progress(dataset.features, _title(decoding))
    ]


def _title(decoding: Decoding) -> str:
    topics = f", topics {decoding.topic_weight:g}" if decoding.topic_weight else ""
    return f"beam {decoding.beam_width}, penalty {decoding.length_penalty:g}{topics}"


def evaluate_decodings(
    decoder: "Path",
    vocabulary: "Vocabulary",
    dataset: "Dataset",
    decodings: "Sequence[Decoding]",
    *,
    known: "Sequence[Sequence[str]] | None" = None,
    calibration: "Calibration | None" = None,
) -> list[Evaluation]:
    """Caption every picture of the dataset in each way, and score it. Raises ToolchainError without sacreBLEU.

    `known` are the captions of the pictures that were learned from, by which foreign triples are found; `calibration`
    is the bundle's, if it has one.
    """
    evaluations = []
    for decoding in decodings:
        found = search_captions(decoder, vocabulary, dataset, decoding)
        captions = [tokenize(vocabulary.detokenise(hypotheses[0].tokens)) for hypotheses in found]
        confidences = [
            calibration.probability(hypotheses, 0, features) if calibration else hypotheses[0].confidence
            for hypotheses, features in zip(found, dataset.features, strict=True)
        ]
        judged = all(len(said) > 1 for said in dataset.captions)
        evaluations.append(
            Evaluation(
                decoding,
                score_captions(captions, dataset.captions),
                tuple(captions),
                judge_sentences(captions, dataset.captions, known),
                judge_trust(confidences, as_good_as_people(captions, dataset.captions)) if judged else None,
            )
        )
    return evaluations


def _has_own_features(bundle: "Path") -> bool:
    """Whether the bundle's encoder learned from pictures, as its provenance tells."""
    provenance = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))["provenance"]
    encoder = provenance.get("encoder") if isinstance(provenance, dict) else None
    return isinstance(encoder, dict) and bool(encoder.get("adaptation"))


def evaluate_bundle(
    bundle: "Path",
    data: "Path",
    pictures: "Path | None" = None,
    beam_widths: "Sequence[int] | None" = None,
    length_penalties: "Sequence[float] | None" = None,
    *,
    topic_weights: "Sequence[float] | None" = None,
    part: "Part" = "all",
    report: "Path | None" = None,
) -> list[Evaluation]:
    """Score a bundle on the validation split: from the pictures, by its own encoder, or else from the data's features.

    Without beams, penalties and topic weights of the caller's, the bundle's own way of decoding comes first; the others
    have its topic weight. `part` is the half of the split, or all of it. With a folder for it, the page of
    `tools.captioner.report` is written there.

    Raises CaptionerToolError, or the serving layer's CaptioningError for an unfit bundle or decoding.
    """
    opened = open_bundle(f"file://{bundle.resolve()}")
    own = opened.manifest.decoding
    # It refuses parts that do not fit each other, and topics that are weighed and not known.
    Captioner(opened)
    if topic_weights and any(topic_weights) and not opened.vocabulary.topics:
        raise DatasetError(f"{bundle} knows no topics: leave --topic-weight out")
    decodings = list_decodings(beam_widths, length_penalties, topic_weights or (own.topic_weight,))
    if beam_widths is None and length_penalties is None and topic_weights is None and own not in decodings:
        decodings.insert(0, own)
    folder = pictures or find_pictures(data, "val")
    if folder is None and _has_own_features(bundle):
        raise DatasetError(f"{bundle} has an encoder that learned from pictures, and needs them: give --pictures")
    if folder is None:
        announce("no pictures: scoring from the features given, not from the bundle's encoder")
        features = read_features(data / "features_val.npz")
    else:
        features = encode_pictures(opened.encoder, folder, read_names(data, "val"))
    dataset = part_of(read_dataset(data, "val", features), part)
    captions = read_captions(data)
    evaluations = evaluate_decodings(
        opened.decoder,
        opened.vocabulary,
        dataset,
        decodings,
        known=[said for name in read_names(data, "train") for said in captions.get(name, ())],
        calibration=opened.manifest.calibration,
    )
    if report is not None:
        title = f"{opened.manifest.model_version} on {len(dataset.names)} pictures"
        announce(f"wrote {write_report(report, title, evaluations, dataset, folder)}")
    return evaluations
