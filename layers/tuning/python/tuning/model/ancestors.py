"""Ancestors: the ratings of the studies that a study is based on, pooled beside its own as those of related tasks.

At most MAX_INHERITED distinct settings of all ancestors together are kept, the most informative as pooling chooses
them, so that what a suggestion costs does not grow with how much others have rated. The nearer a study, the more of
them it has: all if no other has ratings, else half of what nearer ones left. A setting that several studies rated is
there once for each. People and pictures of one name are the same in all of them.

What the mode does not admit is passed over, as everywhere: a study of another space teaches what fits. How alike the
studies are is learned (`tuning.model.learning`); this module judges no rating.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from tuning.model.pooling import Ratings, pool
from tuning.model.priors import ColumnHyperparameters, complete
from tuning.model.raters.panel import Panel
from tuning.observations import Observation
from tuning.spaces import Mode
from tuning.study import Hyperparameters, ModeStudy

MAX_INHERITED = 128  # distinct settings of all ancestors together

_REMEMBERED = 32  # modes of studies

# The generation of a study, 0 for the study itself, what it was told, and that pooled.
_Part = tuple[int, Sequence[Observation], Ratings]


def pool_study(mode: Mode, study: ModeStudy) -> Ratings:
    """Pool the ratings of a study and of its ancestors."""
    own = pool(mode, study.observations)
    parts = [(0, study.observations, own)]
    for generation, (ancestor, found) in enumerate(_pool_each(mode, study.ancestors), 1):
        if len(found):
            parts.append((generation, ancestor.observations, found))
    return own if len(parts) == 1 else _joined(parts)


def inherited(mode: Mode, study: ModeStudy) -> list[tuple[Observation, ...]]:
    """Return of each ancestor the ratings that the model takes, in the order recorded; for what is kept of them."""
    found = []
    for ancestor, ratings in _pool_each(mode, study.ancestors):
        kept = set(ratings.settings)
        found.append(tuple(one for one in ancestor.observations if one.setting in kept))
    return found


def start_of(study: ModeStudy) -> Hyperparameters | None:
    """Return what is known of a study's hyperparameters: its own, else those of the nearest ancestor that has some.

    The similarity to a study is that study's own affair and is not taken over. None if nothing was learned anywhere.
    """
    if study.hyperparameters is not None:
        return study.hyperparameters
    found = next((one.hyperparameters for one in study.ancestors if one.hyperparameters is not None), None)
    return None if found is None else replace(found, fitted_on=0, task_similarity=None)


def hyperparameters_of(mode: Mode, study: ModeStudy) -> ColumnHyperparameters:
    """Return the hyperparameters by which the model speaks of a study, as its covariance takes them."""
    return complete(mode, start_of(study))


def _pool_each(mode: Mode, ancestors: Sequence[ModeStudy]) -> Iterator[tuple[ModeStudy, Ratings]]:
    """Yield each ancestor, the nearest first, with its ratings pooled within what is left of MAX_INHERITED."""
    left = MAX_INHERITED
    for place, ancestor in enumerate(ancestors, 1):
        last = not any(one.observations for one in ancestors[place:])
        ratings = pool(mode, ancestor.observations, limit=left if last else left // 2)
        left -= len(ratings)
        yield ancestor, ratings


def _joined(parts: Sequence[_Part]) -> Ratings:
    """Return the pooled ratings of several generations as one, the study's own first."""
    pooled = [ratings for _, _, ratings in parts]
    key = tuple(id(one) for one in pooled)
    known = _known.pop(key, None)
    joined = known[1] if known else _join(parts)
    while len(_known) >= _REMEMBERED:
        _known.pop(next(iter(_known)), None)
    # The parts are kept alive with it, so that no others get their ids meanwhile.
    _known[key] = pooled, joined
    return joined


def _join(parts: Sequence[_Part]) -> Ratings:
    pooled = [ratings for _, _, ratings in parts]
    own, *others = pooled
    observations: list[Observation] = []
    rows: list[int] = []
    first = 0
    for _, told, ratings in parts:
        places = {setting: row for row, setting in enumerate(ratings.settings, first)}
        for one in told:
            if one.setting in places:
                observations.append(one)
                rows.append(places[one.setting])
        first += len(ratings)
    return Ratings(
        tuple(setting for one in pooled for setting in one.settings),
        reduce(lambda points, more: points.join(more), (one.points for one in pooled)),
        np.concatenate([one.means for one in pooled]),
        np.concatenate([one.counts for one in pooled]),
        sum(one.scatter for one in pooled),
        own.total,
        min(one.step for one in pooled),
        Panel.of(observations, np.array(rows, dtype=np.intp)),
        np.repeat([generation for generation, _, _ in parts], [len(one) for one in pooled]),
        sum(one.total for one in others),
    )


# By the parts, what this process joined last.
_known: dict[tuple[int, ...], tuple[list[Ratings], Ratings]] = {}
