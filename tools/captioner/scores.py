"""Scores of captions against what people said: corpus BLEU, CIDEr-D, and how often a caption loops.

Refuses captions and references that do not pair up.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Final

from tools.captioner.cider import Cider
from tools.captioner.errors import DatasetError
from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Scores", "count_loops", "count_repeated_bigrams", "score_captions"]

_ORDERS: Final = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures over one set of pictures.

    `bleu` holds BLEU-1 to BLEU-4, 0 to 1; `cider` is the mean CIDEr-D, 0 to 10, with these pictures' references as the
    corpus; `words` is the mean length of a caption.
    """

    bleu: tuple[float, float, float, float]
    cider: float
    loops: int
    repeated_bigrams: int
    words: float


def score_captions(captions: "Sequence[Sequence[str]]", references: "Sequence[Sequence[Sequence[str]]]") -> Scores:
    """Score one caption per picture, as words, against all the references of that picture, as words.

    BLEU is the corpus BLEU of Papineni et al. (2002) by sacreBLEU: uniform weights, closest reference length, no
    smoothing; the words come tokenised, so that sacreBLEU splits at blanks only. Raises DatasetError when the two do
    not pair up, ToolchainError without sacreBLEU.
    """
    if not captions or len(captions) != len(references) or not all(references):
        raise DatasetError(f"{len(captions)} captions do not pair with references for {len(references)} pictures")
    bleu = require("sacrebleu.metrics").BLEU
    hypotheses = [" ".join(caption) for caption in captions]
    # sacreBLEU takes one list per place among the references; None where a picture has fewer.
    streams = list(zip_longest(*([" ".join(said) for said in picture] for picture in references)))
    first, second, third, fourth = (
        bleu(tokenize="none", smooth_method="none", max_ngram_order=order, force=True)
        .corpus_score(hypotheses, [list(stream) for stream in streams])
        .score
        / 100
        for order in _ORDERS
    )
    return Scores(
        bleu=(first, second, third, fourth),
        cider=sum(map(Cider(references).score, range(len(captions)), captions)) / len(captions),
        loops=count_loops(captions),
        repeated_bigrams=count_repeated_bigrams(captions),
        words=sum(map(len, captions)) / len(captions),
    )


def count_loops(captions: "Sequence[Sequence[str]]") -> int:
    """Count the captions in which a word or a pair of words directly follows itself."""
    return sum(map(_loops, captions))


def count_repeated_bigrams(captions: "Sequence[Sequence[str]]") -> int:
    """Count the captions that say some pair of words twice, wherever."""
    return sum(max(Counter(pairwise(caption)).values(), default=0) > 1 for caption in captions)


def _loops(caption: "Sequence[str]") -> bool:
    return any(
        tuple(caption[at : at + length]) == tuple(caption[at + length : at + 2 * length])
        for length in (1, 2)
        for at in range(len(caption) - 2 * length + 1)
    )
