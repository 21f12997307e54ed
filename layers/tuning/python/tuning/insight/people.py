"""People: what the model has learned of each rater, by the ratings that it takes.

Leniency, use of the scale and reliability are those of `tuning.model.raters`, where the model of people is. They say
how somebody rates, not how well: a lenient rater teaches as much as a harsh one.
"""

from collections import Counter
from dataclasses import dataclass

from tuning.insight.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class RaterProfile:
    """A rater: how many ratings, and what is known, each with its posterior deviation.

    `leniency`, in rating points, is how much higher than most people the rater rates. `slope` is how widely the rater
    uses the scale: 1 as most people do, below it more narrowly. `reliability` is the standard deviation of one of the
    rater's ratings about what is expected of it, in rating points: the smaller, the more reliable.
    """

    rater: str
    ratings: int
    leniency: float
    leniency_deviation: float
    slope: float
    slope_deviation: float
    reliability: float
    reliability_deviation: float


def profiles(known: Knowledge) -> tuple[RaterProfile, ...]:
    """Return what is known of each rater of whom the model takes ratings, who rated most first; none without names."""
    judgement, panel = known.surrogate.judgement, known.ratings.panel
    if judgement is None or panel is None:
        return ()
    counts = Counter(one.rater for one in known.study.observations[: known.observed])
    numbers = zip(
        judgement.leniency.tolist(),
        judgement.leniency_deviation.tolist(),
        judgement.slope.tolist(),
        judgement.slope_deviation.tolist(),
        judgement.reliability.tolist(),
        judgement.reliability_deviation.tolist(),
        strict=True,
    )
    # Those who rated only in a study that this one is based on have taught about themselves and are no raters of it.
    found = [
        RaterProfile(name, counts[name], *about)
        for name, about in zip(panel.rater_names, numbers, strict=True)
        if counts[name]
    ]
    return tuple(sorted(found, key=lambda one: (-one.ratings, one.rater)))
