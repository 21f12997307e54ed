"""What BLEU does not see of a set of captions: verbs, foreign triples, things that nobody can be in, and sameness.

Refuses nothing: captions and references come paired from `tools.captioner.scores`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tools.captioner.grammar import has_verb, unseen_sequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Sentences", "is_misplaced", "judge_sentences"]

_NOT_TO_BE_IN: Final = frozenset(("ball", "skateboard", "toy", "frisbee", "guitar", "bike", "surfboard", "stick"))
# What may follow the thing; another word shows that it only describes what follows: "in a toy car".
_AFTER_A_THING: Final = frozenset(["and", "as", "at", "by", "in", "is", "near", "of", "on", "while", "with"])
_OPENING: Final = ("in", "a")
_DESCRIBED_BY_AT_MOST: Final = 1


@dataclass(frozen=True, slots=True)
class Sentences:
    """Figures over one set of captions.

    `verbs` and `reference_verbs` are the shares, 0 to 1, of captions and of references with a verb by the rule of
    `tools.captioner.grammar`. `foreign` is the share of captions with a triple of words that no known reference has,
    None where none were given. `misplaced` counts captions that put somebody "in a" ball, skateboard, toy, frisbee,
    guitar, bike, surfboard or stick. `distinct` counts the different captions, and `repeated` is the share of captions
    that another picture has too.
    """

    verbs: float
    reference_verbs: float
    foreign: float | None
    misplaced: int
    distinct: int
    repeated: float


def judge_sentences(
    captions: "Sequence[Sequence[str]]",
    references: "Sequence[Sequence[Sequence[str]]]",
    known: "Iterable[Sequence[str]] | None" = None,
) -> Sentences:
    """Judge one caption per picture, as words; `known` are the references of the pictures that were learned from."""
    said = [reference for picture in references for reference in picture]
    times = Counter(map(tuple, captions))
    return Sentences(
        verbs=sum(map(has_verb, captions)) / len(captions),
        reference_verbs=sum(map(has_verb, said)) / len(said),
        foreign=None if known is None else sum(map(bool, unseen_sequences(captions, known))) / len(captions),
        misplaced=sum(map(is_misplaced, captions)),
        distinct=len(times),
        repeated=sum(count for count in times.values() if count > 1) / len(captions),
    )


def is_misplaced(caption: "Sequence[str]") -> bool:
    """Whether somebody is "in a" ball or the like, with at most one word in between: "in a red toy"."""
    return any(
        tuple(caption[at : at + 2]) == _OPENING and _is_named(caption, at + 2 + described)
        for at in range(len(caption) - 2)
        for described in range(_DESCRIBED_BY_AT_MOST + 1)
    )


def _is_named(caption: "Sequence[str]", place: int) -> bool:
    after = caption[place + 1 : place + 2]
    return place < len(caption) and caption[place] in _NOT_TO_BE_IN and (not after or after[0] in _AFTER_A_THING)
