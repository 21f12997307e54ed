"""Pooling: a study's ratings as the surrogate's data, each distinct setting once, so that its cost stays bounded.

Repeated ratings of a setting become their mean with a smaller noise, which loses nothing. Past MAX_POINTS distinct
settings the most informative are kept. What a process has pooled it remembers and only adds to; the result is that of
pooling everything anew, bit for bit. This module judges no rating and knows nothing of a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import is_

import numpy as np

from tuning.model.surrogate import PRIOR_MEAN, Floats, Indices, Points, locate
from tuning.observations import Observation, Setting
from tuning.spaces import CategoricalParameter, Mode

MAX_POINTS = 512  # distinct settings that the model holds

_REMEMBERED = 8  # modes
_BEST = 4  # one in so many of the points kept is there for being among the best rated
_CELLS = 8  # along each column: settings that share a cell are so alike that one tells of the others


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Pooled ratings: distinct settings, the mean rating of each, how often each was rated; all of length n.

    `scatter` is the sum of squared deviations of the single ratings from their setting's mean.
    """

    settings: tuple[Setting, ...]
    points: Points
    means: Floats
    counts: Floats
    scatter: float

    def __len__(self) -> int:
        return len(self.settings)

    @property
    def total(self) -> int:
        """How many single ratings were pooled."""
        return int(self.counts.sum())


def admits(mode: Mode, setting: Setting) -> bool:
    """Whether the model can place the setting: its API is in the mode and has exactly these parameters, of these kinds.

    Bounds do not matter here: what was rated under narrower or wider bounds still teaches. So does a choice that the
    API no longer offers, if another API of the mode does; one that nobody offers is nowhere.
    """
    api = mode.find_api(setting.api)
    values = dict(setting.values)
    if api is None or values.keys() != {parameter.name for parameter in api.parameters}:
        return False
    for parameter in api.parameters:
        value = values[parameter.name]
        if isinstance(parameter, CategoricalParameter):
            if value not in mode.find_axis(parameter.coordinate).choices:
                return False
        elif isinstance(value, str):
            return False
    return True


def pool(mode: Mode, observations: Sequence[Observation], *, limit: int = MAX_POINTS) -> Ratings:
    """Pools repeated ratings of one setting into its mean, in order of first rating.

    Observations that the mode no longer admits are passed over. Past `limit` distinct settings a quarter of the limit
    goes to the best rated and the rest to the most often rated of each cell of the space, the newer first, then to the
    second of each cell, and so on: what is near the optimum, and what little is known of everywhere else.
    """
    observations = tuple(observations)
    known = _known.get(mode)
    if known is None or not known.begins(observations):
        known = _nothing(mode)
    tally = known if len(known.observations) == len(observations) else known.extended(mode, observations)
    _known.pop(mode, None)
    while len(_known) >= _REMEMBERED:
        _known.pop(next(iter(_known)), None)
    _known[mode] = tally
    return tally.ratings(limit)


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Every distinct setting rated so far, its ratings summed up; never changed, so that threads may share it.

    `newest` has for each setting the index of its latest observation; `held`, by limit, what `ratings` has worked out.
    """

    observations: tuple[Observation, ...]
    rows: dict[Setting, int]
    points: Points
    counts: Floats
    sums: Floats
    squares: Floats
    newest: Indices
    held: dict[int, Ratings] = field(default_factory=dict)

    def begins(self, observations: tuple[Observation, ...]) -> bool:
        """Whether these observations are those of the tally and perhaps more."""
        return len(self.observations) <= len(observations) and all(map(is_, self.observations, observations))

    def extended(self, mode: Mode, observations: tuple[Observation, ...]) -> "_Tally":
        """The tally of these observations, which begin with its own."""
        fresh = [
            (index, observation)
            for index, observation in enumerate(observations[len(self.observations) :], len(self.observations))
            if admits(mode, observation.setting)
        ]
        rows = dict(self.rows)
        for _, observation in fresh:
            rows.setdefault(observation.setting, len(rows))
        grown = len(rows) - len(self.rows)
        counts, sums, squares = (np.append(a, np.zeros(grown)) for a in (self.counts, self.sums, self.squares))
        newest = np.append(self.newest, np.zeros(grown, dtype=np.intp))
        for index, observation in fresh:
            row = rows[observation.setting]
            counts[row] += 1.0
            sums[row] += observation.rating
            squares[row] += observation.rating**2
            newest[row] = index
        added = locate(mode, list(rows)[len(self.rows) :]) if grown else None
        points = self.points if added is None else self.points.join(added)
        return _Tally(observations, rows, points, counts, sums, squares, newest)

    def ratings(self, limit: int) -> Ratings:
        """What the model holds of it."""
        if limit not in self.held:
            self.held[limit] = self._hold(limit)
        return self.held[limit]

    def _hold(self, limit: int) -> Ratings:
        settings, points, counts, sums, squares = tuple(self.rows), self.points, self.counts, self.sums, self.squares
        if len(settings) > limit:
            kept = self._most_informative(limit)
            settings, points = tuple(settings[row] for row in kept), points.take(kept)
            counts, sums, squares = counts[kept], sums[kept], squares[kept]
        return Ratings(
            settings, points, sums / counts, counts, float(np.maximum(squares - sums**2 / counts, 0.0).sum())
        )

    def _most_informative(self, limit: int) -> Indices:
        # Shrunk by one rating of the prior mean: a single lucky rating is less than several good ones.
        merit = (self.sums + PRIOR_MEAN) / (self.counts + 1.0)
        best = np.lexsort((-self.newest, -merit))[: limit // _BEST]
        strides = (_CELLS + 1) ** np.arange(self.points.coordinates.shape[1], dtype=np.int64)
        cells = np.floor(self.points.coordinates * _CELLS).astype(np.int64) @ strides
        order = np.lexsort((-self.newest, -self.counts, cells, self.points.apis))
        starts = np.flatnonzero(
            np.diff(cells[order], prepend=cells[order[0]] - 1) | np.diff(self.points.apis[order], prepend=-1)
        )
        turn = np.empty(len(order), dtype=np.intp)
        turn[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        turn[best] = -1
        return np.sort(np.lexsort((-self.newest, turn))[:limit])


def _nothing(mode: Mode) -> _Tally:
    none = np.zeros(0)
    return _Tally((), {}, locate(mode, []), none, none, none, np.zeros(0, dtype=np.intp))


# By mode, what this process pooled last.
_known: dict[Mode, _Tally] = {}
