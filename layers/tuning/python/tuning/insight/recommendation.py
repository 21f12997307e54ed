"""The recommendation: the setting that the model expects to be the best, and how good and how sure it is.

Of the two settings that a study is asked for, this is the one to use. The other, the best observed, has the highest
single rating: one person's on one day, and the more people rate, the luckier that rating is.
"""

from dataclasses import dataclass

import numpy as np

from tuning.insight.knowledge import Knowledge
from tuning.insight.scale import expected_rating, interval_of
from tuning.observations import MAX_RATING, Setting
from tuning.spaces import Value


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting of the highest posterior mean in the whole space of a mode, and what is known of it.

    All numbers are in rating points. `mean` is the expected true rating, from 1 to 5; `interval` holds it with a
    probability of 90 %, its low and its high end. `deviation` is the posterior's, before it is held to the scale.
    `expected_improvement` is what is still to be gained by looking on (`tuning.model.acquisition.Optimum`), at most 5
    less the mean. `rated` says whether anybody has rated exactly this setting.
    """

    mode: str
    setting: Setting
    mean: float
    deviation: float
    interval: tuple[float, float]
    rated: bool
    expected_improvement: float

    @property
    def parameters(self) -> dict[str, Value]:
        """The setting in the published shape: `api`, then each parameter by name."""
        return self.setting.to_plain()


def recommend(known: Knowledge) -> Recommendation:
    """Recommend the best setting of what is known. A pure function."""
    best = known.survey.optimum
    mean, deviation = np.array(best.mean), np.array(best.deviation)
    expected = float(expected_rating(mean, deviation))
    low, high = interval_of(mean, deviation)
    return Recommendation(
        known.mode.name,
        best.setting,
        expected,
        best.deviation,
        (float(low), float(high)),
        any(one.setting == best.setting for one in known.study.observations[: known.observed]),
        min(best.expected_improvement, MAX_RATING - expected),
    )
