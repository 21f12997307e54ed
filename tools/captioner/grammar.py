"""What BLEU and CIDEr-D do not see of a sentence.

Whether it has a verb, whether people put its words together, and whether somebody is in what nobody can be in.

The verb is found by lists and not by a tagger: a word of at least five letters that ends in "ing" and is none of
`NOUNS_IN_ING`, or one of `VERBS`, which are the other forms of the verbs said most often in Flickr8k that are hardly
ever nouns there ("waves", "flies" and "watches" are left out). It holds captions and references to the same rule, which
is all that is asked of it; it does not parse.
"""

from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    Word = TypeVar("Word", bound=Hashable)

__all__ = ["ORDER", "has_verb", "is_misplaced", "is_verb", "sequences_of", "unseen_sequences"]

ORDER: Final = 3
"""Words that are looked at together: the triples of a caption."""

_LEAST_LETTERS: Final = 5

_NOT_SAID_OF_DOING: Final = """
awning being bearing beginning boarding boxing building ceiling clothing crossing during earring evening fencing
including lighting lightning morning nothing opening outcropping painting parking piercing railing seating setting
something spring string swing wedding
"""
_FORMS_OF_VERBS: Final = """
is are am was were has have does do did
appears attempt attempts balances barks bites blows carries carry catches chase chases chews climb climbs crawls
crouches digs dives drinks drives eat eats enjoy enjoys fall falls fight fights floats follow follows gather gets gives
go goes grabs hang hangs hit hits hold holds hugs jogs jump jumps kicks kneels laugh laughs lays lead leads leans leap
leaps licks lies lifts listens look looks make makes moves paddles pause performs play plays points pose poses prepare
prepares pulls pushes puts raises reaches read reads rests ride rides run runs shakes shows sing sings sit sits skates
sleep sleeps slides smile smiles sniffs speaks spins splashes squats stand stands stares steps surfs swim swims swings
take takes talk talks throws tries try turns uses wade wades wait waits walk walks wear wears
"""
NOUNS_IN_ING: Final = frozenset(_NOT_SAID_OF_DOING.split())
VERBS: Final = frozenset(_FORMS_OF_VERBS.split())
_NOT_TO_BE_IN: Final = frozenset(("ball", "skateboard", "toy", "frisbee", "guitar", "bike", "surfboard", "stick"))
# What may follow the thing; another word shows that it only describes what follows: "in a toy car".
_AFTER_A_THING: Final = frozenset(["and", "as", "at", "by", "in", "is", "near", "of", "on", "while", "with"])
_OPENING: Final = ("in", "a")
_DESCRIBED_BY_AT_MOST: Final = 1


def is_verb(word: str) -> bool:
    """Whether a lower-case word counts as a verb."""
    return word in VERBS or (word.endswith("ing") and len(word) >= _LEAST_LETTERS and word not in NOUNS_IN_ING)


def has_verb(caption: "Iterable[str]") -> bool:
    """Whether a word of a caption counts as a verb."""
    return any(map(is_verb, caption))


def is_misplaced(caption: "Sequence[str]") -> bool:
    """Whether somebody is "in a" ball or the like, with at most one word in between: "in a red toy"."""
    return any(
        tuple(caption[at : at + 2]) == _OPENING and _is_named(caption, at + 2 + described)
        for at in range(len(caption) - 2)
        for described in range(_DESCRIBED_BY_AT_MOST + 1)
    )


def sequences_of(caption: "Sequence[Word]", order: int = ORDER) -> "Iterable[tuple[Word, ...]]":
    """Return the sequences of `order` words of a caption, from its first word on."""
    return zip(*(caption[start:] for start in range(order)), strict=False)


def unseen_sequences(
    captions: "Iterable[Sequence[Word]]", references: "Iterable[Sequence[Word]]", order: int = ORDER
) -> list[int]:
    """Count, for each caption, the sequences of `order` words that none of the references has."""
    seen = set(chain.from_iterable(sequences_of(said, order) for said in references))
    return [sum(sequence not in seen for sequence in sequences_of(said, order)) for said in captions]


def _is_named(caption: "Sequence[str]", place: int) -> bool:
    after = caption[place + 1 : place + 2]
    return place < len(caption) and caption[place] in _NOT_TO_BE_IN and (not after or after[0] in _AFTER_A_THING)
