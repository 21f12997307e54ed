"""Captions as values: what a picture shows, and how sure the model is. Ground that every other room may stand on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to say it, and how sure the model is of its words, 0 to 1."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture shows; `confidence`, 0 to 1, is the geometric mean of the words' probabilities.

    `alternatives` is what else the beam found, better-ranked first: other words each, so seldom more than the beam is
    wide, and none for a beam of one. The rank minds length and end; a lower one may have the higher confidence.
    """

    text: str
    confidence: float
    model_version: str
    alternatives: tuple[Alternative, ...] = ()
