"""Relearning: fit the surrogate's hyperparameters anew when a study has changed, without risk to what was recorded.

When a fit is due is decided here. The fit is `tuning.model.learning`, which costs more than a second to import and is
imported when it is first needed.
"""

import logging
import math
import time
from collections.abc import Iterable

from storage.deadline import Deadline
from tuning.model.ancestors import pool_study, start_of
from tuning.spaces import Mode, Spaces
from tuning.stores.lineage import read_study
from tuning.stores.port import ObservationStore
from tuning.study import INITIAL_RATINGS, Hyperparameters, ModeStudy

# Ratings up to which every update refits; beyond, hyperparameters hardly move and are refitted when ratings doubled.
ALWAYS_REFIT = 200
# Seconds that must be left for learning to begin: to read from a slow store, to fit and to save.
LEARNING_SECONDS = 16.0

_logger = logging.getLogger(__name__)


def relearn(
    mode: Mode, study: ModeStudy, *, revised: bool = False, time_budget: float | None = None
) -> Hyperparameters | None:
    """Fit the study's hyperparameters anew if that is due, and return them; None if it is not.

    It is due with each update from INITIAL_RATINGS to ALWAYS_REFIT ratings, then when their number has doubled since
    the last fit, and whenever a rating was `revised`. The fit takes at most `time_budget` seconds (None:
    `tuning.model.learning.TIME_BUDGET`).

    Raises:
        ValueError: the ratings admit no fit.
        numpy.linalg.LinAlgError: likewise.
    """
    ratings = pool_study(mode, study)
    fitted_on = study.hyperparameters.fitted_on if study.hyperparameters else 0
    if ratings.total < INITIAL_RATINGS or (not revised and ALWAYS_REFIT < ratings.total < 2 * fitted_on):
        return None
    from tuning.model import learning  # noqa: PLC0415 - costs more than a second of CPU; see `preload`

    budget = learning.TIME_BUDGET if time_budget is None else time_budget
    return learning.fit(mode, ratings, start_of(study), time_budget=budget)


def preload() -> None:
    """Import what learning needs, more than a second of CPU, now instead of in the first update."""
    import tuning.model.learning  # noqa: F401, PLC0415 - the import is the purpose


def learn(
    store: ObservationStore,
    spaces: Spaces,
    study: str,
    modes: Iterable[str],
    *,
    revised: bool,
    time_budget: float | None = None,
    deadline: Deadline | None = None,
) -> float | None:
    """Learn in each of the study's modes where that is due, and return the seconds that the fits took.

    None if it failed in one of them, or if less than LEARNING_SECONDS are left before the deadline. A fit takes at most
    `time_budget` seconds, as in `relearn`: with infinity what is learned does not depend on the machine's speed.
    Never raises: what was recorded stands, and its caller must hear so whatever happens here.
    """
    named = set(modes)
    fits = [
        _learn(store, study, mode, revised=revised, time_budget=time_budget, deadline=deadline)
        for mode in spaces.modes
        if mode.name in named
    ]
    return None if None in fits else math.fsum(fit for fit in fits if fit is not None)


def _learn(
    store: ObservationStore,
    study: str,
    mode: Mode,
    *,
    revised: bool,
    time_budget: float | None,
    deadline: Deadline | None,
) -> float | None:
    if deadline is not None and deadline.seconds_left < LEARNING_SECONDS:
        _logger.warning("no time left to learn in mode %s of study %s; a later update learns", mode.name, study)
        return None
    try:
        # Learning has no use for what is outstanding.
        known = read_study(store, mode.name, study=study, now=None, deadline=deadline)
        fitting = time.monotonic()
        if learned := relearn(mode, known, revised=revised, time_budget=time_budget):
            fit_seconds = time.monotonic() - fitting
            store.save_hyperparameters(mode.name, learned, study=study, as_of=known.as_of, deadline=deadline)
            return fit_seconds
    except Exception:
        # An error would make the caller send again what is recorded. The study goes on with what it has learned before.
        _logger.exception("learning failed in mode %s of study %s; what was sent is recorded", mode.name, study)
        return None
    return 0.0
