"""A study: everything remembered of one mode, and the two numbers that say how far along it is.

Values only. How they are kept is `tuning.stores`; what is concluded from them is `tuning.model` and its users.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from tuning.observations import Observation, Setting, Suggestion

INITIAL_RATINGS = 6  # before these, a study follows its initial design; from then on, the model speaks
BUDGET = 50  # ratings after which a study counts as converged, as published


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What the surrogate has learned of a study's smoothness and of its raters, as a study stores it.

    Lengthscales are by coordinate name, in shares of the parameter's range, so that they outlive a change of the space.
    Variances are in squared rating points. `similarity` (0 to 1) is the correlation of one setting across two APIs.
    `fitted_on` counts the ratings that the study had at the fit.
    """

    lengthscales: tuple[tuple[str, float], ...]
    signal_variance: float
    noise_variance: float
    similarity: float
    fitted_on: int = 0


@dataclass(frozen=True, slots=True)
class Study:
    """A mode's study as of one moment: every rating in the order recorded, and every suggestion still outstanding.

    `seed` is drawn when the study begins and makes its designs its own. `hyperparameters` is None until a first fit.
    """

    mode: str
    seed: int
    hyperparameters: Hyperparameters | None
    observations: tuple[Observation, ...]
    outstanding: tuple[Suggestion, ...]

    def has_rated(self, setting: Setting) -> bool:
        """Return whether anybody has rated exactly this setting."""
        return any(observation.setting == setting for observation in self.observations)


@dataclass(frozen=True, slots=True)
class ApiSummary:
    """How often an API was rated in a study, and the exact sum of those ratings."""

    api: str
    count: int
    total: Fraction

    @property
    def mean(self) -> float:
        """The float nearest to the mean rating, whatever the order in which the ratings came."""
        return float(self.total / self.count)


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study in few numbers: ratings, the best of them (the earliest if there are several), each API in name order."""

    count: int = 0
    best: Observation | None = None
    apis: tuple[ApiSummary, ...] = ()

    def including(self, observations: Iterable[Observation]) -> "StudySummary":
        """Return the summary of these observations as well."""
        count, best, apis = self.count, self.best, {summary.api: summary for summary in self.apis}
        for observation in observations:
            count += 1
            if best is None or (observation.rating, best.recorded_at) > (best.rating, observation.recorded_at):
                best = observation
            name = observation.setting.api
            known = apis.get(name, ApiSummary(name, 0, Fraction()))
            apis[name] = replace(known, count=known.count + 1, total=known.total + Fraction(observation.rating))
        return StudySummary(count, best, tuple(apis[name] for name in sorted(apis)))


def convergence(samples: int) -> float:
    """Return the share of the evaluation budget used, 0 to 1: 24 samples give 0.48."""
    return min(samples / BUDGET, 1.0)
