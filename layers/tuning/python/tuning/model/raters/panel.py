"""The panel: a study's single ratings as arrays, with who gave them and on which picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuning.model.arrays import Floats, Indices
from tuning.observations import Observation


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Single ratings of m settings, with who rated and on which picture; all arrays are (n,).

    `rows` are the indices of the settings, `raters` and `pictures` those of the names, -1 where the caller did not say.
    `steps` are how fine the stars of each rating's rater are: 1 of a rater who gives whole stars, .5 of one who gives
    halves too, 0 of any other. `sittings` are the indices at which one begins: ratings of the same rater on the same
    picture that follow each other are of one sitting.
    """

    rows: Indices
    raters: Indices
    pictures: Indices
    ratings: Floats
    steps: Floats
    sittings: Indices
    rater_names: tuple[str, ...]
    picture_names: tuple[str, ...]

    @classmethod
    def of(cls, observations: Sequence[Observation], rows: Indices) -> "Panel | None":
        """Return the panel of observations, each of the setting of that row; None if it names nobody and no picture."""
        raters: dict[str, int] = {}
        pictures: dict[str, int] = {}
        who = [-1 if one.rater is None else raters.setdefault(one.rater, len(raters)) for one in observations]
        what = [-1 if one.picture is None else pictures.setdefault(one.picture, len(pictures)) for one in observations]
        if not raters and not pictures:
            return None
        ratings = np.array([one.rating for one in observations])
        owners, seen = np.array(who, dtype=np.intp), np.array(what, dtype=np.intp)
        finest = np.ones(len(raters) + 1)
        np.minimum.at(finest, owners, step_of(ratings))
        return cls(
            rows,
            owners,
            seen,
            ratings,
            finest[owners],
            _beginnings(owners, seen),
            tuple(raters),
            tuple(pictures),
        )

    def of_settings(self, kept: Indices, settings: int) -> "Panel":
        """Return the ratings of those of so many settings that are `kept`, in ascending order; names stay."""
        if len(kept) == settings:
            return self
        new = np.full(settings, -1, dtype=np.intp)
        new[kept] = np.arange(len(kept))
        here = np.flatnonzero(new[self.rows] >= 0)
        return replace(
            self,
            rows=new[self.rows[here]],
            raters=self.raters[here],
            pictures=self.pictures[here],
            ratings=self.ratings[here],
            steps=self.steps[here],
            sittings=_beginnings(self.raters[here], self.pictures[here]),
        )


def _beginnings(raters: Indices, pictures: Indices) -> Indices:
    """Return the indices at which the rater or the picture is another than before."""
    return np.flatnonzero(np.diff(raters, prepend=-2) | np.diff(pictures, prepend=-2))


def step_of(ratings: Floats) -> Floats:
    """Return the widest step of which each rating is a multiple: 1, .5 or 0 for any."""
    halves = np.where(2.0 * ratings == np.round(2.0 * ratings), 0.5, 0.0)
    return np.where(ratings == np.round(ratings), 1.0, halves)


def rounding_variance(steps: Floats) -> Floats:
    """Return what rounding to these steps adds to the variance of a rating: that of a uniform error, step² / 12."""
    return np.asarray(steps**2 / 12.0)
