"""Improving: whether a mode of a study has converged, and whether its latest ratings still made it better.

Two questions with two answers. It has **converged** when its budget is spent, or when so little is expected of further
ratings that they are not worth anybody's time. It is **improving** as long as something is expected of them and the
latest have kept such promises.
"""

from dataclasses import dataclass

from tuning.insight.hindsight import look_back
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation
from tuning.model.encoding import encode
from tuning.study import BUDGET, INITIAL_RATINGS

# Rating points. People tell half points apart at best; a gain of a twentieth is not worth anybody's time.
CONVERGED_BELOW = 0.05
LATEST = 10  # ratings whose effect is looked at


@dataclass(frozen=True, slots=True)
class Improvement:
    """What the latest ratings have done: those since `since`, the last multiple of LATEST at least LATEST ratings ago.

    `gained` is how much better than the setting recommended then the present one is, both by what is known now;
    `expected_then` is the expected improvement of that moment. Both are in rating points, and None as long as the model
    had no recommendation then.
    """

    improving: bool
    since: int | None = None
    gained: float | None = None
    expected_then: float | None = None


def has_converged(ratings: int, recommendation: Recommendation | None) -> bool:
    """Return whether a mode has converged: BUDGET ratings, or an expected improvement below CONVERGED_BELOW."""
    return ratings >= BUDGET or (recommendation is not None and recommendation.expected_improvement < CONVERGED_BELOW)


def judge_improvement(known: Knowledge, now: Recommendation) -> Improvement:
    """Return whether the mode is improving.

    It is, if the expected improvement is CONVERGED_BELOW or more and one of these holds: there was no recommendation
    yet then; the recommendation has gained CONVERGED_BELOW or more since; the expected improvement has risen by
    CONVERGED_BELOW or more, because a rating has opened something up.
    """
    promising = now.expected_improvement >= CONVERGED_BELOW
    since = (known.observed // LATEST - 1) * LATEST
    then = look_back(known.mode, known.study, [since])[since] if since >= INITIAL_RATINGS else None
    if then is None:
        return Improvement(promising)
    best = known.survey.optimum.mean
    gained = max(best - float(known.surrogate.mean(encode(known.mode, [then.setting]))[0]), 0.0)
    risen = now.expected_improvement - then.expected_improvement
    improving = promising and max(gained, risen) >= CONVERGED_BELOW
    return Improvement(improving, since, gained, then.expected_improvement)
