"""Captions as values: what a picture shows, and how sure the model is. Every other module may import this one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another caption of the same picture; `confidence`, 0 to 1, is as in `Caption`."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture shows; `confidence`, 0 to 1, says how sure the model is.

    It is the probability that the caption is as good as a person's if the bundle has a calibration
    (`captioning.model.confidence`), and the geometric mean of the words' probabilities if not.

    `alternatives` are the other captions that the beam search found, best-ranked first. All differ in their words.
    There are seldom more than the beam is wide, and none for a beam of 1. The rank also depends on length and end mark,
    so that a lower-ranked caption may have a higher confidence.
    """

    text: str
    confidence: float
    model_version: str
    alternatives: tuple[Alternative, ...] = ()
