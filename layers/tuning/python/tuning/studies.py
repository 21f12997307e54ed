"""A study: everything remembered of one mode, and the two numbers that say how far along it is.

Values only. How they are kept is `tuning.stores`; what is concluded from them is `tuning.model` and its users.
"""

from dataclasses import dataclass

from tuning.observations import Observation, Setting, Suggestion

INITIAL_RATINGS = 6  # before these, a study follows its initial design; from then on, the model speaks
BUDGET = 50  # ratings after which a study counts as converged, as published


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What the surrogate has learned of a study's smoothness and of its raters.

    Lengthscales are by coordinate name, in units of the parameter's range, so that they outlive a change of the space.
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
        """Whether anybody has rated exactly this setting."""
        return any(observation.setting == setting for observation in self.observations)


def convergence(samples: int) -> float:
    """The share of the evaluation budget used, 0 to 1: 24 samples give 0.48."""
    return min(samples / BUDGET, 1.0)
