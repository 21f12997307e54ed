"""The priors: what the model expects of true ratings and of its hyperparameters before anybody rates.

The true rating f of a setting at x, made by API a, whose trend is t (`tuning.model.encoding.Points`):

    f(x, a) = PRIOR_MEAN + u + u_a + w t(x) + g(x, a)

    u   ~ N(0, LEVEL_VARIANCE)        people are generous or harsh as a whole
    u_a ~ N(0, API_LEVEL_VARIANCE)    an API is better or worse as a whole
    w   ~ N(FALL, FALL²)              ratings fall towards the corners of a space, nobody knows how much
    g   ~ GP(0, signal variance times a correlation)      see `tuning.model.surrogate`

Integrating u, u_a and w out leaves a Gaussian process with the mean of `prior_mean` and the covariance of
`level_covariance` beside that of g. The hyperparameters of g and of the noise have log-normal priors.

A study, the one that it is based on, the one that that is based on, and so on, are related tasks, one step from each
to the next. The prior mean is the same in all. The covariance of two settings' true ratings, n steps apart, is that
within one task times s^n, s being the similarity of a task and the next. All ratings of an ancestor differ by

    v ~ N(0, TASK_LEVEL_VARIANCE)        what changed may have raised or lowered everything alike

This module fits nothing. `tuning.model.learning` does, from these priors and the ratings.

Sources: C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), section 2.7 (linear terms with
a normal prior; equation 2.40 is the Gaussian process that they make); E. Bonilla et al., "Multi-task Gaussian Process
Prediction" (NIPS 2007), section 2 (the product with a matrix of task similarities).
"""

from dataclasses import dataclass

import numpy as np

from tuning.model.arrays import Flags, Floats
from tuning.spaces import Mode
from tuning.study import Hyperparameters

PRIOR_MEAN = 3.0  # rating points, the middle of the scale; the mean over a whole space
# Rating points from the middle of a space down to its corners. Whoever declares a range has put what works inside it;
# half-way between, the corners are most of a space and seldom good.
FALL = 0.9
# Squared rating points.
LEVEL_VARIANCE = 0.10
API_LEVEL_VARIANCE = 0.05
TASK_LEVEL_VARIANCE = 0.04


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A prior of a positive number θ: its logarithm is normal, with standard deviation `deviation` about log(median).

        log p(log θ) = -½ ((log θ - log median) / deviation)² + constant

    The fit works on the logarithm, where this density is highest at the median: the median is the prior's mode. `low`
    and `high` bound what the fit may choose; both are included.
    """

    median: float
    deviation: float
    low: float
    high: float


# What a scale from 1 to 5 says before any rating. Lengthscales are shares of a parameter's range, variances are in
# squared rating points, and the similarity s of two APIs, from 0 to 1, enters by its odds s / (1 - s).
LENGTHSCALE_PRIOR = LogNormal(0.30, 0.25, 0.03, 3.0)
# The floor keeps the model from declaring the whole space flat after a few like ratings.
SIGNAL_VARIANCE_PRIOR = LogNormal(0.7, 0.40, 0.35, 20.0)
# Of people who are not told apart, their differences included; rounding to whole stars is added to it.
NOISE_VARIANCE_PRIOR = LogNormal(0.25, 0.50, 0.01, 4.0)
# Of people who are told apart: how one person's ratings scatter before rounding, .60² less a twelfth (the sources are
# named in `tuning.model.raters.judging`).
OWN_NOISE_VARIANCE_PRIOR = LogNormal(0.27, 0.50, 0.01, 4.0)
SIMILARITY_ODDS_PRIOR = LogNormal(1.0, 1.0, 0.01, 100.0)
TASK_SIMILARITY_ODDS_PRIOR = LogNormal(1.0, 1.5, 0.01, 100.0)


@dataclass(frozen=True, slots=True)
class ColumnHyperparameters:
    """The hyperparameters of one mode with one lengthscale per column of its points, as the covariance takes them.

    Those that a study stores have one lengthscale per coordinate (`tuning.study.Hyperparameters`, where the units
    are); `complete` makes these of those.
    """

    lengthscales: tuple[float, ...]
    signal_variance: float
    noise_variance: float
    similarity: float
    task_similarity: float = TASK_SIMILARITY_ODDS_PRIOR.median / (1.0 + TASK_SIMILARITY_ODDS_PRIOR.median)


def prior_modes(mode: Mode) -> ColumnHyperparameters:
    """Return the modes of the priors: the hyperparameters of a study that has not been fitted."""
    odds = SIMILARITY_ODDS_PRIOR.median
    return ColumnHyperparameters(
        (LENGTHSCALE_PRIOR.median,) * len(mode.columns),
        SIGNAL_VARIANCE_PRIOR.median,
        NOISE_VARIANCE_PRIOR.median,
        odds / (1.0 + odds),
    )


def complete(mode: Mode, learned: Hyperparameters | None) -> ColumnHyperparameters:
    """Return the hyperparameters per column of the mode's points: what was learned, and the prior's mode of the rest.

    The columns of one coordinate share its lengthscale. The rest are coordinates that the mode has gained since the fit
    and, where `learned` is None, everything.
    """
    if learned is None:
        return prior_modes(mode)
    known = dict(learned.lengthscales)
    return ColumnHyperparameters(
        tuple(known.get(name, LENGTHSCALE_PRIOR.median) for name in mode.columns),
        learned.signal_variance,
        learned.noise_variance,
        learned.similarity,
        prior_modes(mode).task_similarity if learned.task_similarity is None else learned.task_similarity,
    )


def prior_mean(trends: Floats) -> Floats:
    """Return the prior mean of the true ratings of points with these trends, in rating points; both of shape (n,).

    m(x) = PRIOR_MEAN + FALL t(x)
    """
    return PRIOR_MEAN + FALL * trends


def level_covariance(trends_a: Floats, trends_b: Floats, same_api: Flags) -> Floats:
    """Return the prior covariance that u, u_a and w give to n points and m others, in squared rating points.

        LEVEL_VARIANCE + API_LEVEL_VARIANCE [same API] + FALL² t(x) t(x')

    `trends_a` is (n,), `trends_b` (m,); `same_api` (n, m) says which pairs are of one API; the result is (n, m). No
    hyperparameter is part of it, so that no rating teaches it.
    """
    levels = np.where(same_api, LEVEL_VARIANCE + API_LEVEL_VARIANCE, LEVEL_VARIANCE)
    levels += np.outer(FALL * trends_a, FALL * trends_b)
    return levels


def level_variance(trends: Floats) -> Floats:
    """Return the diagonal of `level_covariance` of n points with themselves, in squared rating points; shape (n,)."""
    return LEVEL_VARIANCE + API_LEVEL_VARIANCE + (FALL * trends) ** 2
