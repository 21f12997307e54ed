"""Lineage: a study as the model takes it, with the studies that it is based on, read from the store.

Of a chain of studies the MAX_GENERATIONS nearest ancestors are read, archived or not: each costs one more read of the
store. Nothing is refused here. Where a store lacks a base, which it may after an import, the chain ends, and so does
one that leads back to a study that it has passed.
"""

import logging
from dataclasses import replace
from datetime import datetime

from storage.deadline import Deadline
from tuning.errors import StudyMissingError
from tuning.stores.port import ObservationStore
from tuning.study import ModeStudy

MAX_GENERATIONS = 8

_logger = logging.getLogger(__name__)


def read_study(
    store: ObservationStore, mode: str, *, study: str, now: datetime | None, deadline: Deadline | None = None
) -> ModeStudy:
    """Return a mode of a study as `ObservationStore.mode_study` does, with its ancestors, the nearest first.

    Each study is one consistent view; those of the ancestors are later ones, without what is outstanding.
    """
    read = store.mode_study(mode, study=study, now=now, deadline=deadline)
    passed, base = {study}, read.study.based_on
    ancestors: list[ModeStudy] = []
    while base is not None and base not in passed and len(ancestors) < MAX_GENERATIONS:
        try:
            ancestor = store.mode_study(mode, study=base, now=None, deadline=deadline)
        except StudyMissingError:
            _logger.warning("study %s is based on %s, which is not there", study, base)
            break
        passed.add(base)
        ancestors.append(ancestor)
        base = ancestor.study.based_on
    return replace(read, ancestors=tuple(ancestors)) if ancestors else read
