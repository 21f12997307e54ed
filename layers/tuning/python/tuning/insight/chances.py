"""Chances: how probable it is that the best setting of all is one of an API's.

By joint draws of the true ratings at each API's most promising candidates from the posterior. Marginal deviations alone
would not do: settings of two APIs that are alike rise and fall together. The candidates are an even spread, and not
those that the optimum was found among: they lie so close together that they would stand for one setting.

Source: C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), section A.2 (draws by a Cholesky
factor); J. Hammersley and K. Morton, "A new Monte Carlo technique: antithetic variates", Proceedings of the Cambridge
Philosophical Society 52 (1956).
"""

from hashlib import blake2b

import numpy as np

from tuning.insight.knowledge import Knowledge
from tuning.model.arrays import Indices
from tuning.model.cholesky import Cholesky
from tuning.model.encoding import from_unit, points_at, to_unit
from tuning.model.sobol import sobol
from tuning.model.surrogate import Posterior

DRAWS = 2_048  # the standard error of a chance is then .011 at most

# Of the spread, and of those the most promising, which are drawn of all APIs together. Many more of either moved a
# chance by .02 on average, in studies of 8 to 200 ratings, and by .05 at most.
_SPREAD = 256
_CANDIDATES = 128
_MIN_CANDIDATES = 16
_ANCHORS = 4  # settings of the highest posterior mean, which are candidates of every API
_OPTIMISM = 2.0  # posterior deviations above the mean, by which candidates are promising


def chances(known: Knowledge) -> tuple[tuple[str, float], ...]:
    """Return each API's chance, 0 to 1, that the best true rating of all is of one of its settings.

    In the order of the mode's APIs; they add up to 1. The study's seed decides the draws, so that the same study gives
    the same chances.
    """
    apis = known.mode.apis
    if len(apis) == 1:
        return ((apis[0].name, 1.0),)
    posterior = _considered(known)
    most = max(_CANDIDATES // len(apis), _MIN_CANDIDATES)
    promising = [_promising(posterior, api, most) for api in range(len(apis))]
    chosen = np.concatenate(promising)
    factor = Cholesky(posterior.covariance(chosen)[chosen], np.zeros(len(chosen)))
    # Imported here: a start of the function does without it.
    from numpy.random import default_rng  # noqa: PLC0415

    seed = int.from_bytes(blake2b(f"{known.study.seed}:chances".encode(), digest_size=8).digest(), "little")
    away = factor.lower @ default_rng(seed).standard_normal((len(chosen), DRAWS // 2))
    mean = posterior.mean[chosen][:, None]
    # Each draw and its mirror image: no mean of them is off.
    drawn = np.hstack([mean + away, mean - away])
    starts = np.cumsum([0, *(len(own) for own in promising[:-1])])
    winners = np.maximum.reduceat(drawn, starts, axis=0).argmax(axis=0)
    shares = np.bincount(winners, minlength=len(apis)) / DRAWS
    return tuple((api.name, float(share)) for api, share in zip(apis, shares, strict=True))


def _considered(known: Knowledge) -> Posterior:
    """Return the posterior at an even spread of each API's settings, and at the anchors, moved to each API."""
    mode, found = known.mode, known.survey.posterior
    anchors = found.points.coordinates[np.argsort(-found.mean, kind="stable")[:_ANCHORS]]
    spread = sobol(_SPREAD, len(mode.axes), seed=f"{known.study.seed}:chances")
    placed = [
        from_unit(mode, api, np.concatenate([spread, to_unit(mode, api, anchors)])) for api in range(len(mode.apis))
    ]
    apis = np.repeat(np.arange(len(mode.apis)), _SPREAD + len(anchors))
    return known.surrogate.posterior(points_at(mode, np.concatenate(placed), apis))


def _promising(posterior: Posterior, api: int, most: int) -> Indices:
    """Return the API's most promising candidates, each setting once, as indices of the points."""
    own = np.flatnonzero(posterior.points.apis == api)
    own = own[np.unique(posterior.points.coordinates[own], axis=0, return_index=True)[1]]
    bound = posterior.mean[own] + _OPTIMISM * posterior.deviation[own]
    return own[np.argsort(-bound, kind="stable")[:most]]
