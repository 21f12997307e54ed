"""Suggest: what to try next, claimed so that no two raters get the same setting.

A suggestion is a pure function of the study (ratings, outstanding suggestions, hyperparameters, seed): `propose`.
`suggest` reads the study, proposes and claims; when somebody else claimed first it proposes again. It learns nothing:
hyperparameters are learned when ratings come in (`tuning.update`).

How many suggestions may be outstanding is decided here, in `_make_room`; docs/decisions/0013 says why it is so.
"""

import logging
import math
import secrets
from collections.abc import Iterable, Set
from datetime import datetime, timedelta
from functools import partial

from storage.deadline import Deadline
from tuning.errors import AlreadyPendingError, StoreUnavailableError, StudyArchivedError, TooManyOutstandingError
from tuning.model.acquisition import choose
from tuning.model.ancestors import hyperparameters_of, pool_study
from tuning.model.design import initial_design, reserve
from tuning.model.encoding import admits
from tuning.observations import DEFAULT_STUDY, Setting, Suggestion
from tuning.spaces import Fixed, Mode, Spaces
from tuning.stores.lineage import read_study
from tuning.stores.port import MAX_CLAIM, ObservationStore
from tuning.study import INITIAL_RATINGS, ModeStudy
from tuning.validation.requests import parse_suggest

DEFAULT_COUNT = 2
# A rater comes back within a working day or not at all. After that others may have the setting.
OUTSTANDING_FOR = timedelta(hours=24)
MAX_OUTSTANDING = 1_000  # suggestions per mode: as many as one update can answer
# A suggestion never makes way for others before this time has passed.
RESERVED_FOR = timedelta(hours=1)

_ATTEMPTS = 8
_RETRY_AFTER = 1  # seconds
_TRY_AGAIN_WITHIN = 8.0  # seconds after which no further attempt begins

_logger = logging.getLogger(__name__)


def suggest(
    store: ObservationStore,
    spaces: Spaces,
    *,
    mode: object,
    count: object = DEFAULT_COUNT,
    study: object = DEFAULT_STUDY,
    fixed: object = None,
    lasting: timedelta = OUTSTANDING_FOR,
    now: datetime,
    deadline: Deadline | None = None,
) -> tuple[Suggestion, ...]:
    """Make and claim `count` suggestions for a mode of a study, different from each other and from all outstanding.

    `count` is 1 to 10. All have what is `fixed`: an API, parameters, or both. They stay outstanding until rated, given
    back, or until `lasting` has passed. Past MAX_OUTSTANDING the oldest of the mode make way, if RESERVED_FOR has
    passed for them. Those who ask at the same moment do not see each other's, so that there may be as many more as they
    ask for in the meantime. After the deadline nothing further begins.

    Raises:
        InvalidRequestError: there is no such mode, the count is not from 1 to 10, no study can have that name, or
            nothing in the mode can have what is fixed.
        StudyMissingError: there is no such study.
        StudyArchivedError: the study takes nothing.
        SpaceExhaustedError: too few settings are free.
        TooManyOutstandingError: the mode has MAX_OUTSTANDING, all too new to make way.
        StoreUnavailableError: the store cannot be used now, too many ask at this moment, or no time is left.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    body = {"mode": mode, "num_suggestions": count, "study": study, "fixed": fixed}
    asked = parse_suggest(body, spaces, default_count=DEFAULT_COUNT)
    space = asked.mode
    trying = Deadline(_TRY_AGAIN_WITHIN, within=deadline)
    for attempt in range(_ATTEMPTS):
        if attempt and trying.is_over:
            break
        known = read_study(store, space.name, study=asked.study, now=now, deadline=deadline)
        if known.study.archived_at is not None:
            raise StudyArchivedError(asked.study)
        giving_way = _make_room(known, asked.count, now)
        # Those who lost a race must not all run for the same next setting.
        salt = secrets.token_hex(8) if attempt else ""
        suggestions = tuple(
            Suggestion(secrets.token_hex(12), space.name, setting, now, now + lasting, asked.study)
            for setting in propose(space, known, count=asked.count, salt=salt, fixed=asked.fixed)
        )
        try:
            store.claim(suggestions, giving_way=giving_way, now=now, deadline=deadline)
        except AlreadyPendingError:
            continue
        if giving_way:
            _logger.info("%d suggestions of mode %s made way for new ones", len(giving_way), space.name)
        return suggestions
    raise StoreUnavailableError("too many raters ask at this moment", retry_after=_RETRY_AFTER)


def _make_room(study: ModeStudy, count: int, now: datetime) -> tuple[Suggestion, ...]:
    """Return the oldest suggestions, which make way for `count` new ones where there is no room for them.

    A store may hold more than MAX_OUTSTANDING, of an older release or of asking at once: then so many more make way as
    can be ended in one go.

    Raises:
        TooManyOutstandingError: they are too new to make way.
    """
    excess = len(study.outstanding) + count - MAX_OUTSTANDING
    if excess <= 0:
        return ()
    oldest = study.outstanding[: min(excess, MAX_CLAIM)]
    free_at = oldest[-1].suggested_at + RESERVED_FOR
    if free_at > now:
        minutes = math.ceil((free_at - now) / timedelta(minutes=1))
        raise TooManyOutstandingError(
            f"mode {study.mode} has {len(study.outstanding):,} suggestions outstanding, of {MAX_OUTSTANDING:,} that it"
            f" may have: rate some, or ask again in {minutes} minutes"
        )
    return oldest


def propose(
    mode: Mode, study: ModeStudy, *, count: int, salt: str = "", fixed: Fixed | None = None
) -> tuple[Setting, ...]:
    """Propose `count` settings worth rating next, of which all have what is `fixed`.

    Before INITIAL_RATINGS ratings they are of the initial design, then the model chooses. That holds of a study that is
    based on another too: only what is rated all over the space tells how alike the two are. Settings that could not be
    rated come again only when no others are left. A pure function. A `salt` gives other settings that are about as
    good.

    Raises:
        SpaceExhaustedError: too few settings are free.
    """
    pending = [suggestion.setting for suggestion in study.outstanding if admits(mode, suggestion.setting)]
    ratings = pool_study(mode, study)
    if ratings.total < INITIAL_RATINGS:
        design = partial(initial_design, mode, f"{study.seed}{salt}", fixed)
        for avoided in ({*pending, *study.failed, *ratings.settings[: ratings.own]}, {*pending, *study.failed}):
            chosen = _first(design(), avoided, count)
            if len(chosen) == count:
                return chosen
        return reserve(mode, fixed, pending, study.failed, count=count)
    # Fresh candidates for each state of the study, so that what one sample of the space misses the next may have.
    seed = f"{study.seed}{salt}:{len(study.observations)}:{len(pending)}"
    return choose(
        mode,
        ratings,
        hyperparameters_of(mode, study),
        pending,
        count=count,
        seed=seed,
        failed=study.failed,
        fixed=fixed,
    )


def _first(settings: Iterable[Setting], avoided: Set[Setting], count: int) -> tuple[Setting, ...]:
    """Return the first `count` different ones of the settings that are not avoided; fewer if there are no more."""
    chosen: dict[Setting, None] = {}
    for setting in settings:
        if setting not in avoided:
            chosen[setting] = None
        if len(chosen) == count:
            break
    return tuple(chosen)
