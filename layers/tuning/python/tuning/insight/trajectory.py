"""The trajectory of a mode: for each rating so far, what would have been recommended after it.

Every rating up to ALL_UNTIL has its step, then each step has a fifth more ratings than the one before, and the last
rating has one: at most 100 steps up to a million ratings, the same ones whenever one looks, which is what makes
remembering them worth while (`tuning.insight.hindsight`). The hyperparameters are those of now, so that the curve shows
what the ratings taught and not how the model's settings changed.
"""

from dataclasses import dataclass
from datetime import datetime

from storage.deadline import Deadline
from tuning.insight.hindsight import look_back
from tuning.insight.recommendation import Recommendation
from tuning.observations import DEFAULT_STUDY
from tuning.spaces import Mode, Spaces
from tuning.stores.lineage import read_study
from tuning.stores.port import ObservationStore
from tuning.study import INITIAL_RATINGS, ModeStudy
from tuning.validation.requests import validate_mode, validate_study

ALL_UNTIL = 50  # ratings

_COARSE = 4  # steps; where time runs short, one in so many is worked out before the others


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of a trajectory: after the first `samples_seen` ratings, the last of which was recorded at that time.

    `best_rating` is the highest single rating until then.
    """

    samples_seen: int
    recorded_at: datetime
    best_rating: float
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The steps of a mode of a study, the earliest first; none before INITIAL_RATINGS ratings that the mode admits.

    `complete` is False if time ran out: then steps are missing, and asking again brings more of them.
    """

    study: str
    mode: str
    samples_seen: int
    steps: tuple[Step, ...]
    complete: bool


def follow(
    store: ObservationStore,
    spaces: Spaces,
    *,
    study: str = DEFAULT_STUDY,
    mode: str | None = None,
    deadline: Deadline | None = None,
) -> Trajectory:
    """Return the trajectory of a mode of a study; None is the default mode.

    Raises:
        InvalidRequestError: there is no such mode, or the name is none that a study can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    space = validate_mode(spaces, spaces.default_mode if mode is None else mode)
    name = validate_study(study, root="query")
    return trace(space, read_study(store, space.name, study=name, now=None, deadline=deadline), deadline=deadline)


def trace(mode: Mode, study: ModeStudy, *, deadline: Deadline | None = None) -> Trajectory:
    """Return the trajectory of a study; after the deadline no further step is worked out."""
    observations = study.observations
    moments = moments_of(len(observations))
    # The last step and a coarse curve first, and each time from the earliest on, as the ratings are pooled.
    coarse = moments[::-1][::_COARSE][::-1]
    found = look_back(mode, study, coarse, deadline=deadline)
    found |= look_back(mode, study, [one for one in moments if one not in found], deadline=deadline)
    best: list[float] = []
    for observation in observations:
        best.append(max(observation.rating, best[-1] if best else observation.rating))
    steps = [
        Step(moment, observations[moment - 1].recorded_at, best[moment - 1], recommendation)
        for moment, recommendation in sorted(found.items())
        if recommendation is not None
    ]
    return Trajectory(study.study.name, mode.name, len(observations), tuple(steps), len(found) == len(moments))


def moments_of(ratings: int) -> list[int]:
    """Return the numbers of ratings after which a trajectory of so many has a step."""
    moments = list(range(INITIAL_RATINGS, min(ratings, ALL_UNTIL) + 1))
    following = ALL_UNTIL
    while (following := following * 6 // 5) < ratings:
        moments.append(following)
    return [*moments, ratings] if ratings > ALL_UNTIL else moments
