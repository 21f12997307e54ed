"""Whether a confidence can be believed: how well it tells captions apart, and how far it is from what comes true.

A caption is *as good as a person's* if its CIDEr-D against the picture's references is at least that of the typical
person. People are judged as the caption is: each reference against the others of its picture, left out itself, weighted
by the same corpus; the typical person is the median of all these scores over all pictures.

Refuses pictures with a single reference, against which nobody can be judged.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.cider import Cider
from tools.captioner.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "Bin",
    "Trust",
    "area_under_curve",
    "as_good_as_people",
    "bins_of",
    "judge_trust",
    "score_each",
    "typical_score",
]

_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Captions of about one confidence: how many, their mean confidence, and the share that was as good as people's."""

    captions: int
    confidence: float
    came_true: float


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a confidence can be believed, over one set of captions.

    `as_good` is the share of captions that are as good as a person's. `calibration_error` is the expected calibration
    error over ten bins of equal width: the mean distance, over captions, between a bin's mean confidence and the share
    that came true. `area` is that under the ROC curve: the chance that of two captions, one as good and one not, the
    good one has the higher confidence; None if all are alike. `bins` are the ten, without those that are empty.
    """

    as_good: float
    calibration_error: float
    area: float | None
    bins: "tuple[Bin, ...]" = ()


def typical_score(references: "Sequence[Sequence[Sequence[str]]]") -> float:
    """Return the median CIDEr-D of people's captions, each against the others of its picture.

    Raises DatasetError for a picture with fewer than two references.
    """
    if not all(len(picture) > 1 for picture in references):
        raise DatasetError("people can be judged only where every picture has two captions or more")
    return float(np.median(Cider(references).score_references()))


def as_good_as_people(
    captions: "Sequence[Sequence[str]]", references: "Sequence[Sequence[Sequence[str]]]"
) -> "NDArray[np.bool_]":
    """Tell, for one caption per picture, whether it is as good as a person's; see the module."""
    return np.asarray(np.array(score_each(captions, references)) >= typical_score(references))


def score_each(captions: "Sequence[Sequence[str]]", references: "Sequence[Sequence[Sequence[str]]]") -> list[float]:
    """Return the CIDEr-D of each caption, one per picture."""
    cider = Cider(references)
    return [cider.score(picture, caption) for picture, caption in enumerate(captions)]


def judge_trust(confidences: "Sequence[float]", came_true: "NDArray[np.bool_]") -> Trust:
    """Compare confidences, 0 to 1, with what came true."""
    bins = bins_of(confidences, came_true)
    error = sum(one.captions * abs(one.confidence - one.came_true) for one in bins) / len(confidences)
    return Trust(float(came_true.mean()), error, area_under_curve(confidences, came_true), tuple(bins))


def bins_of(confidences: "Sequence[float]", came_true: "NDArray[np.bool_]") -> list[Bin]:
    """Sort captions into ten bins of equal width by their confidence; empty bins are left out."""
    given = np.asarray(confidences, np.float64)
    places = np.clip((given * _BINS).astype(int), 0, _BINS - 1)
    return [
        Bin(int(inside.sum()), float(given[inside].mean()), float(came_true[inside].mean()))
        for inside in (places == place for place in range(_BINS))
        if inside.any()
    ]


def area_under_curve(confidences: "Sequence[float]", came_true: "NDArray[np.bool_]") -> float | None:
    """Return the area under the ROC curve, ties counted half (Mann, Whitney, 1947); None if all came true, or none."""
    given = np.asarray(confidences, np.float64)
    good, bad = given[came_true], given[~came_true]
    if not good.size or not bad.size:
        return None
    below = np.searchsorted(np.sort(bad), good, side="left")
    at_most = np.searchsorted(np.sort(bad), good, side="right")
    return float((below + at_most).sum() / 2 / (good.size * bad.size))
