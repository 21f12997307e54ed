"""Pooling: a study's ratings as the surrogate's data, each distinct setting once, so that its cost stays bounded.

The n ratings y_i of one setting become their mean ȳ with noise variance / n. The posterior of the true rating f is the
same, because the rest of the sum does not depend on f:

    sum over i of (y_i - f)² / noise variance = (ȳ - f)² / (noise variance / n) + scatter / noise variance
    scatter = sum over i of (y_i - ȳ)²

Past MAX_POINTS distinct settings, or MAX_JUDGED_POINTS, the most informative are kept. A process remembers what it
has pooled of the latest studies and only adds to it; the result equals that of pooling everything anew, bit for bit.
This module judges no rating and knows nothing of a model.

Source: M. Binois, R. Gramacy and M. Ludkovski, "Practical heteroscedastic Gaussian process modeling for large
simulation experiments", J. Computational and Graphical Statistics 27 (2018), section 3 (replicated inputs).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import is_

import numpy as np

from tuning.model.arrays import Floats, Indices
from tuning.model.encoding import Points, admits, encode
from tuning.model.priors import PRIOR_MEAN
from tuning.model.raters.panel import Panel, step_of
from tuning.observations import Observation, Setting
from tuning.spaces import Mode

MAX_POINTS = 512  # distinct settings that the model takes
MAX_JUDGED_POINTS = 256  # where raters or pictures are named, which costs more per setting

_REMEMBERED = 32  # modes of studies
_BEST = 4  # one in so many of the points kept is in the best rated regions
_CELLS = 8  # along each column; settings in one cell are nearly alike
_REGIONS = 4  # along each column; a region is large enough to have many ratings, of which luck is a small part


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Ratings:
    """Pooled ratings: n distinct settings with the mean rating of each and how often each was rated, both (n,).

    `scatter` is the sum of squared deviations of these ratings from their setting's mean, in squared rating points.
    `total` counts every single rating that the mode admits, those of settings that were left out included. `step` is
    the widest of 1, .5 and 0 of which all ratings are multiples. `panel` has the single ratings of these settings with
    who and what; None if nobody is named and no picture.

    Where a study is based on others (`tuning.model.ancestors`), the settings rated in those follow its own; a setting
    that several studies rated is there once for each. `generations`, (n,), is 0 for the study's own, 1 for those of the
    study that it is based on, and so on; None if all are its own. `inherited` counts the single ratings of the others,
    which `total` does not.
    """

    settings: tuple[Setting, ...]
    points: Points
    means: Floats
    counts: Floats
    scatter: float
    total: int
    step: float = 0.0
    panel: Panel | None = None
    generations: Indices | None = None
    inherited: int = 0

    @property
    def own(self) -> int:
        """The number of settings that were rated in the study itself, which are the first ones."""
        return len(self) if self.generations is None else int(np.count_nonzero(self.generations == 0))

    def __len__(self) -> int:
        return len(self.settings)


def pool(mode: Mode, observations: Sequence[Observation], *, limit: int = MAX_POINTS) -> Ratings:
    """Pool the ratings of each setting into their mean, settings in order of first rating.

    Observations that the mode no longer admits are passed over. Past `limit` distinct settings a quarter of the limit
    goes to the best rated regions of the space. The rest goes to the most often rated of each cell of the space, the
    newer first, then to the second of each cell, and so on. So the model keeps what is near the optimum, and something
    of everywhere else, and of alike settings the lucky no sooner than the unlucky.
    """
    observations = tuple(observations)
    # Its first rating tells a study from the others. The tally keeps it alive, so that no other gets its id meanwhile.
    study = (mode, id(observations[0]) if observations else None)
    known = _known.get(study)
    if known is None or not known.begins(observations):
        known = _nothing(mode)
    tally = known if len(known.observations) == len(observations) else known.extended(mode, observations)
    _known.pop(study, None)
    while len(_known) >= _REMEMBERED:
        _known.pop(next(iter(_known)), None)
    _known[study] = tally
    return tally.ratings(limit)


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Every distinct setting rated so far, its ratings summed up; never changed, so that threads may share it.

    `rows` has the row of each setting in `points` and in the arrays, all (n,). `newest` has the index of each setting's
    latest observation. `admitted` are the observations that the mode admits, `places` their settings' rows; `kept`, by
    limit, what `ratings` has worked out.
    """

    observations: tuple[Observation, ...]
    admitted: tuple[Observation, ...]
    places: Indices
    rows: dict[Setting, int]
    points: Points
    counts: Floats
    sums: Floats
    squares: Floats
    newest: Indices
    kept: dict[int, Ratings] = field(default_factory=dict)

    def begins(self, observations: tuple[Observation, ...]) -> bool:
        """Return whether these observations are those of the tally and perhaps more."""
        return len(self.observations) <= len(observations) and all(map(is_, self.observations, observations))

    def extended(self, mode: Mode, observations: tuple[Observation, ...]) -> "_Tally":
        """Return the tally of these observations, which begin with its own."""
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
        places = [rows[observation.setting] for _, observation in fresh]
        for (index, observation), row in zip(fresh, places, strict=True):
            counts[row] += 1.0
            sums[row] += observation.rating
            squares[row] += observation.rating**2
            newest[row] = index
        added = encode(mode, list(rows)[len(self.rows) :]) if grown else None
        points = self.points if added is None else self.points.join(added)
        return _Tally(
            observations,
            (*self.admitted, *(observation for _, observation in fresh)),
            np.append(self.places, np.array(places, dtype=np.intp)),
            rows,
            points,
            counts,
            sums,
            squares,
            newest,
        )

    def ratings(self, limit: int) -> Ratings:
        """Return what the model takes of it: at most `limit` settings."""
        if limit not in self.kept:
            self.kept[limit] = self._keep(limit)
        return self.kept[limit]

    def _keep(self, limit: int) -> Ratings:
        settings, points, counts, sums, squares = tuple(self.rows), self.points, self.counts, self.sums, self.squares
        total = int(counts.sum())
        observations, places = self.admitted, self.places
        if any(one.rater is not None or one.picture is not None for one in observations):
            limit = min(limit, MAX_JUDGED_POINTS)
        if len(settings) > limit:
            kept = self._most_informative(limit)
            new = np.full(len(settings), -1, dtype=np.intp)
            new[kept] = np.arange(len(kept))
            settings, points = tuple(settings[row] for row in kept), points.take(kept)
            counts, sums, squares = counts[kept], sums[kept], squares[kept]
            here = np.flatnonzero(new[places] >= 0)
            observations, places = tuple(observations[index] for index in here), new[places[here]]
        scatter = float(np.maximum(squares - sums**2 / counts, 0.0).sum())
        step = float(step_of(np.array([one.rating for one in observations])).min(initial=1.0))
        return Ratings(settings, points, sums / counts, counts, scatter, total, step, Panel.of(observations, places))

    def _most_informative(self, limit: int) -> Indices:
        # By the mean of its region and never by a setting's own: where the lucky are kept and the unlucky left out, the
        # model takes luck for quality. Shrunk by one rating of the prior mean: one rating is less than several.
        places = self._cells(_REGIONS) * (self.points.apis.max() + 1) + self.points.apis
        regions = np.unique(places, return_inverse=True)[1]
        merit = ((np.bincount(regions, self.sums) + PRIOR_MEAN) / (np.bincount(regions, self.counts) + 1.0))[regions]
        best = np.lexsort((-self.newest, -self.counts, -merit))[: limit // _BEST]
        cells = self._cells(_CELLS)
        order = np.lexsort((-self.newest, -self.counts, cells, self.points.apis))
        starts = np.flatnonzero(
            np.diff(cells[order], prepend=cells[order[0]] - 1) | np.diff(self.points.apis[order], prepend=-1)
        )
        turn = np.empty(len(order), dtype=np.intp)
        turn[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        turn[best] = -1
        return np.sort(np.lexsort((-self.newest, turn))[:limit])

    def _cells(self, along: int) -> Indices:
        """Return the number of each setting's cell, with `along` cells along each column, (n,)."""
        strides = (along + 1) ** np.arange(self.points.coordinates.shape[1], dtype=np.int64)
        return np.asarray(np.floor(self.points.coordinates * along).astype(np.int64) @ strides)


def _nothing(mode: Mode) -> _Tally:
    none = np.zeros(0)
    nowhere = np.zeros(0, dtype=np.intp)
    return _Tally((), (), nowhere, {}, encode(mode, []), none, none, none, nowhere)


# By mode and first rating, what this process pooled last of each study, the latest last.
_known: dict[tuple[Mode, int | None], _Tally] = {}
