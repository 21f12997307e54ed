"""What BLEU does not see of a set of captions: verbs, foreign triples, things that nobody can be in, and sameness.

Refuses nothing: captions and references come paired from `tools.captioner.scores`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.captioner.grammar import has_verb, is_misplaced, unseen_sequences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Sentences", "judge_sentences"]


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
