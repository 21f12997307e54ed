"""The scale: what a posterior of true ratings, which is normal, says on a scale that ends at 1 and 5.

A true rating below 1 or above 5 shows as 1 or 5, because nobody can rate it otherwise. So whatever the model says of f
is told of min(max(f, 1), 5): its mean lies within the scale, and its quantiles are those of f, moved to the ends that
they pass. A normal distribution cut off at the ends would say another thing: that sixteen ratings of 5 make a setting
worth 4.9, because it cannot be worth more. What an interval is, is decided here and nowhere else.
"""

import numpy as np

from tuning.model import normal
from tuning.model.arrays import Floats
from tuning.observations import MAX_RATING, MIN_RATING

INTERVAL = 0.90  # the probability that an interval holds the true rating

# Rating points by which the model is off whatever it has been told: true ratings are no draws of a Gaussian process.
_MISFIT = 0.06
_REACH = float(normal.quantile(np.array((1.0 + INTERVAL) / 2.0)))  # posterior deviations to either side


def expected_rating(mean: Floats, deviation: Floats) -> Floats:
    """Return the mean of min(max(f, 1), 5) for normals f of these means and deviations, elementwise, in rating points.

    m + d [φ(a) + a Φ(a)] - d [φ(b) - b Φ(-b)]        a = (1 - m) / d,  b = (5 - m) / d
    """
    safe = np.maximum(deviation, 1e-12)
    below, above = (MIN_RATING - mean) / safe, (MAX_RATING - mean) / safe
    gained = safe * (normal.density(below) + below * normal.cdf(below))
    lost = safe * (normal.density(above) - above * normal.cdf(-above))
    return np.clip(mean + gained - lost, MIN_RATING, MAX_RATING)


def interval_of(mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the INTERVAL of the true rating, low and high, elementwise, in rating points.

    The probability left out is the same at either end, but for an end that is the scale's. An independent error of the
    model itself (_MISFIT) is part of it: simulated studies, whose deviations become small, showed it
    (docs/decisions/0019-people-and-pictures-are-part-of-the-model.md). The interval is widened
    where it would lose the mean: that of an f far above 5 is a little less than 5, although nearly all draws are 5.
    """
    expected = expected_rating(mean, deviation)
    reach = _REACH * np.hypot(deviation, _MISFIT)
    low, high = (np.clip(mean + side * reach, MIN_RATING, MAX_RATING) for side in (-1.0, 1.0))
    return np.minimum(low, expected), np.maximum(high, expected)
