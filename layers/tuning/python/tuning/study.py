"""Studies: a campaign by name, what is remembered of each of its modes, and how far along it is.

Values only. How they are kept is `tuning.stores`; what is concluded from them is `tuning.model` and its users.
"""

from dataclasses import dataclass
from datetime import datetime

from tuning.observations import DEFAULT_STUDY, Observation, Setting, Suggestion

INITIAL_RATINGS = 6  # before these, a study follows its initial design; from then on, the model speaks
BUDGET = 50  # ratings after which a study counts as converged, as published


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What the surrogate has learned of a study's smoothness and of its raters, as a study stores it.

    Lengthscales are by coordinate name, in shares of the parameter's range, so that they outlive a change of the space.
    Variances are in squared rating points. `similarity` (0 to 1) is the correlation of one setting across two APIs.
    `task_similarity` (0 to 1) is that of one setting between a study and the one that it is based on; None of a study
    that is not based on ratings of another. `fitted_on` counts the ratings that the study had at the fit.
    """

    lengthscales: tuple[tuple[str, float], ...]
    signal_variance: float
    noise_variance: float
    similarity: float
    fitted_on: int = 0
    task_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A campaign of ratings, which has every mode of the space.

    `created_at` is None of the default study, which is there from the start. `based_on` names the study that this one
    goes on from, `note` is for people. An archived study takes nothing; None in `archived_at` says that it is not.
    """

    name: str
    created_at: datetime | None = None
    based_on: str | None = None
    note: str | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The setting of the highest single rating, the earliest if there are several, and that rating."""

    mode: str
    setting: Setting
    rating: float
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study at a glance: the ratings that count of each mode that has begun, the best of all, and the last change.

    `last_activity` is when it last took a rating, a failure or a revision; None before any.
    """

    study: Study
    counts: tuple[tuple[str, int], ...]
    best: Best | None
    last_activity: datetime | None

    @property
    def samples_seen(self) -> int:
        """The ratings of all modes that count."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True, slots=True)
class ModeStudy:
    """A mode of a study as of one moment: every rating that counts in the order recorded, and what is outstanding.

    `seed` is drawn when the mode begins and makes its designs its own. `hyperparameters` is None until a first fit.
    `failed` are the settings that could not be rated, `as_of` is the position in the study's log up to which this is
    known. What is withdrawn is in neither. `ancestors` are this mode of the study that this one is based on, of the one
    that that is based on, and so on, as far as they were read (`tuning.stores.lineage`); the port reads none.
    """

    mode: str
    seed: int
    hyperparameters: Hyperparameters | None
    observations: tuple[Observation, ...]
    outstanding: tuple[Suggestion, ...]
    failed: tuple[Setting, ...] = ()
    study: Study = Study(DEFAULT_STUDY)
    as_of: int = 0
    ancestors: tuple["ModeStudy", ...] = ()

    def has_rated(self, setting: Setting) -> bool:
        """Return whether anybody has rated exactly this setting."""
        return any(observation.setting == setting for observation in self.observations)


def convergence(samples: int) -> float:
    """Return the share of the evaluation budget used, 0 to 1: 24 samples give 0.48."""
    return min(samples / BUDGET, 1.0)
