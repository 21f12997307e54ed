"""What the model knows of a mode of a study: the one place in which its surrogate is made for what people ask.

It chooses nothing and tells nothing; the modules beside it do.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from tuning.errors import TooFewRatingsError
from tuning.model.acquisition import Survey, survey
from tuning.model.ancestors import hyperparameters_of, pool_study
from tuning.model.encoding import decode
from tuning.model.pooling import Ratings
from tuning.model.surrogate import Surrogate
from tuning.observations import Setting
from tuning.spaces import Mode
from tuning.study import INITIAL_RATINGS, ModeStudy


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """A mode of a study with its ratings pooled, the surrogate given them, and what is around its optimum.

    `observed` is how many of the study's ratings are taken, those that the mode does not admit included.
    """

    mode: Mode
    study: ModeStudy
    observed: int
    ratings: Ratings
    surrogate: Surrogate
    survey: Survey

    @classmethod
    def of(cls, mode: Mode, study: ModeStudy, *, first: int | None = None) -> Self | None:
        """Return what is known by the study's `first` ratings, None for all; None if the mode admits none of them.

        Ratings of the studies that it is based on teach what is best in this one, and will do where it has none yet.
        The hyperparameters are those that the study has now.
        """
        observed = len(study.observations) if first is None else first
        taken = study if first is None else replace(study, observations=study.observations[:first])
        ratings = pool_study(mode, taken)
        if not ratings.total + ratings.inherited:
            return None
        surrogate = Surrogate.of(ratings, hyperparameters_of(mode, study))
        return cls(mode, study, observed, ratings, surrogate, survey(mode, ratings, surrogate, seed=str(study.seed)))

    @classmethod
    def enough(cls, mode: Mode, study: ModeStudy) -> Self:
        """Return what is known by all ratings of the study.

        Raises:
            TooFewRatingsError: the mode admits fewer than INITIAL_RATINGS of them.
        """
        known = cls.of(mode, study)
        if known is not None and known.speaks:
            return known
        there = known.ratings.total if known else 0
        ratings = f"{there} rating{'' if there == 1 else 's'}"
        raise TooFewRatingsError(
            f"mode {mode.name} of study {study.study.name} has {ratings}, and the model speaks from {INITIAL_RATINGS}"
            f" on: rate {INITIAL_RATINGS - there} more"
        )

    @property
    def speaks(self) -> bool:
        """Whether there are INITIAL_RATINGS ratings, of which on people are told what is known."""
        return self.ratings.total >= INITIAL_RATINGS

    def best_of(self, api: int) -> Setting:
        """Return the setting of the highest posterior mean of the API of this index."""
        posterior = self.survey.posterior
        own = np.flatnonzero(posterior.points.apis == api)
        best = int(own[posterior.mean[own].argmax()])
        return decode(self.mode, api, posterior.points.coordinates[best])
