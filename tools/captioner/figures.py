"""How the ways of decoding scored: the figures as tables, and which way is best.

Refuses to choose a way of decoding that loops while another does not.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from captioning.model.decoding import Decoding
    from tools.captioner.scores import Scores
    from tools.captioner.sentences import Sentences
    from tools.captioner.trust import Trust

__all__ = ["Evaluation", "best_of", "to_json", "to_markdown"]


# Of BLEU-4: a narrower beam, which is faster, or one with a better CIDEr-D may score this much lower: it is noise.
_TRIFLE: Final = 0.003

_WAY: Final = "| Beam | Penalty | Topics | Repeats | "
_SCORED: Final = _WAY + "BLEU-1 | BLEU-2 | BLEU-3 | BLEU-4 | CIDEr-D | Loops | Repeated bigrams | Words |"
_SEEN_BY_NO_BLEU: Final = (
    _WAY
    + "Verb | People's | Foreign triple | In a ball or the like | Distinct | Said twice | Calibration error | AUC |"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One way of decoding, how it scored, and the captions themselves, as words, in the order of the pictures.

    `trust` is None where pictures have a single reference, so that nobody can be judged; see `tools.captioner.trust`.
    """

    decoding: "Decoding"
    scores: "Scores"
    captions: tuple[tuple[str, ...], ...]
    sentences: "Sentences"
    trust: "Trust | None"


def best_of(evaluations: "Sequence[Evaluation]") -> Evaluation:
    """Return the narrowest beam whose BLEU-4 is within .003 of the highest, and of such ways the highest CIDEr-D.

    Ways that loop do not count, unless every one does; of two alike, that which bars repeats comes first.
    """
    judged = [evaluation for evaluation in evaluations if not evaluation.scores.loops] or list(evaluations)
    enough = max(evaluation.scores.bleu[3] for evaluation in judged) - _TRIFLE
    return min(
        (evaluation for evaluation in judged if evaluation.scores.bleu[3] >= enough),
        key=lambda evaluation: (
            evaluation.decoding.beam_width,
            not evaluation.decoding.no_repeat_ngram,
            -evaluation.scores.cider,
            -evaluation.scores.bleu[3],
        ),
    )


def to_markdown(evaluations: "Sequence[Evaluation]") -> str:
    """Write the figures as two tables in Markdown, one line per way of decoding."""
    lines = [
        _SCORED,
        "| --- " * (_SCORED.count("|") - 1) + "|",
    ]
    for evaluation in evaluations:
        decoding, scores = evaluation.decoding, evaluation.scores
        bleu = " | ".join(f"{score:.3f}" for score in scores.bleu)
        lines.append(
            f"| {_way(decoding)} | {bleu} | {scores.cider:.3f} "
            f"| {scores.loops} | {scores.repeated_bigrams} | {scores.words:.1f} |"
        )
    lines += ["", _SEEN_BY_NO_BLEU, "| --- " * (_SEEN_BY_NO_BLEU.count("|") - 1) + "|"]
    for evaluation in evaluations:
        decoding, said, trust = evaluation.decoding, evaluation.sentences, evaluation.trust
        shares = (said.verbs, said.reference_verbs, said.foreign)
        error, area = (None, None) if trust is None else (trust.calibration_error, trust.area)
        lines.append(
            f"| {_way(decoding)} | {' | '.join(map(_figure, shares))} "
            f"| {said.misplaced} | {said.distinct} | {_figure(said.repeated)} | {_figure(error)} | {_figure(area)} |"
        )
    return "\n".join(lines) + "\n"


def _way(decoding: "Decoding") -> str:
    repeats = "barred" if decoding.no_repeat_ngram else "allowed"
    return f"{decoding.beam_width} | {decoding.length_penalty:g} | {decoding.topic_weight:g} | {repeats}"


def _figure(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def to_json(evaluations: "Sequence[Evaluation]") -> str:
    """Write the figures as JSON, one object per way of decoding."""
    figures = [
        {
            "decoding": asdict(evaluation.decoding),
            "scores": asdict(evaluation.scores),
            "sentences": asdict(evaluation.sentences),
            "trust": evaluation.trust and asdict(evaluation.trust),
        }
        for evaluation in evaluations
    ]
    return json.dumps(figures, sort_keys=True, indent=1) + "\n"
