"""Raters and pictures: what single ratings say of settings once it is known who rated, and on which picture.

People differ: in leniency, in how widely they use the scale, and in how reliably they rate. Pictures differ in level:
some are easy, whatever is done to them. A rating y of a setting at x by rater r on picture k is taken to be

    y = PRIOR_MEAN + s_r (f(x) - PRIOR_MEAN) + b_r + p_k + e

    b_r ~ N(0, LENIENCY_DEVIATION²)      leniency
    p_k ~ N(0, PICTURE_DEVIATION²)       the picture's level
    s_r ~ N(1, SLOPE_DEVIATION²)         use of the scale
    e   ~ N(0, v_r noise variance)       v_r is 1 for a rater as reliable as most

f is the true rating, the surrogate's Gaussian process. Given the slopes and the v_r, everything is normal: leniencies and
levels are integrated out, and what is left are generalized least squares means of the settings with a covariance of
their errors that is not diagonal, because settings that one person judged share that person's errors. Slopes, v_r and
the two variances are found by alternating with the posterior of f, a few times, from their priors; so a first rating by
a rater, or on a picture, already counts for what it is worth.

A rating whose rater is not known has a leniency of its own, and the like for pictures. In a study in which nobody is
named and no picture, nothing of this applies.

Sources: Z. Li and C. Bampis, "Recover Subjective Quality Scores from Noisy Measurements" (Data Compression Conference,
2017), section 3 (bias and inconsistency of subjects, by alternating); ITU-T Recommendation P.910 (the same model);
C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), section 2.7 (explicit effects with a
normal prior, integrated out); A. Aitken, "On Least Squares and Linear Combination of Observations", Proceedings of the
Royal Society of Edinburgh 55 (1936) (generalized least squares).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuning.model.arrays import Floats, Indices
from tuning.model.cholesky import Cholesky
from tuning.model.priors import PRIOR_MEAN
from tuning.observations import Observation

# Rating points, and for the slope rating points per rating point. In two public tests of picture quality (50 people, 151
# items, five points) raters' biases had deviations of .30 and .41 and their slopes of .11 and .17. Pictures differ as
# much as people do.
LENIENCY_DEVIATION = 0.35
PICTURE_DEVIATION = 0.30
SLOPE_DEVIATION = 0.14
# In how many ratings' worth of knowledge the priors are held: of a variance, and of a rater's reliability. Between people
# one rating scatters by .46 to .87: the logarithm of the variance has a deviation of about a third.
_VARIANCE_WEIGHT = 8.0
_RELIABILITY_WEIGHT = 16.0

MAX_SHARED = 128  # raters, and as many pictures, whose errors are shared between settings: those who rated most
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Single ratings of m settings, with who rated and on which picture; all arrays are (n,).

    `rows` are the indices of the settings, `raters` and `pictures` those of the names, -1 where the caller did not say.
    """

    rows: Indices
    raters: Indices
    pictures: Indices
    ratings: Floats
    rater_names: tuple[str, ...]
    picture_names: tuple[str, ...]

    @classmethod
    def of(cls, observations: Sequence[Observation], rows: Sequence[int]) -> "Panel | None":
        """Return the panel of observations, each of the setting of that row; None if it names nobody and no picture."""
        raters: dict[str, int] = {}
        pictures: dict[str, int] = {}
        who = [-1 if one.rater is None else raters.setdefault(one.rater, len(raters)) for one in observations]
        what = [-1 if one.picture is None else pictures.setdefault(one.picture, len(pictures)) for one in observations]
        if not raters and not pictures:
            return None
        return cls(
            np.asarray(rows, dtype=np.intp),
            np.array(who, dtype=np.intp),
            np.array(what, dtype=np.intp),
            np.array([one.rating for one in observations]),
            tuple(raters),
            tuple(pictures),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a panel says of m settings, and of its r raters and k pictures.

    `means`, (m,), are the settings' ratings by people who are as lenient as most, in rating points, and `noise`,
    (m, m), is the covariance of their errors. `scatter` is the sum of squared deviations of the single ratings about
    them, weighted as reliable raters', and `freedom` how many ratings that is worth. `leniency` and `leniency_deviation`
    are (r,), in rating points; `slope` and `reliability`, the deviation of one rating, too; `level` is (k,).

    The deviations of slope and reliability are approximate: of the slope, that of its normal posterior given the true
    ratings; of a reliability r that rests on n ratings, r / √(2 (weight of its prior + n)), because the logarithm of a
    variance that is estimated with k degrees of freedom has a variance of about 2 / k.
    """

    means: Floats
    noise: Floats
    scatter: float
    freedom: float
    leniency: Floats
    leniency_deviation: Floats
    slope: Floats
    slope_deviation: Floats
    reliability: Floats
    reliability_deviation: Floats
    level: Floats
    leniency_variance: float
    picture_variance: float
    shared_variance: float


def judge(panel: Panel, kernel: Floats, expected: Floats, noise_variance: float) -> Judgement:
    """Work out what the panel says, given the prior covariance (m, m) and mean (m,) of its settings' true ratings."""
    settings, raters, pictures = len(expected), len(panel.rater_names), len(panel.picture_names)
    who, what = _shared(panel.raters, raters), _shared(panel.pictures, pictures)
    slope, spread = np.ones(raters), np.ones(raters)
    slope_deviation = np.full(raters, SLOPE_DEVIATION)
    counts = np.bincount(panel.raters[panel.raters >= 0], minlength=raters)
    variances = np.array([LENIENCY_DEVIATION**2, PICTURE_DEVIATION**2])
    truth = np.full(settings, PRIOR_MEAN)
    named = panel.raters >= 0
    effects = who.columns, what.columns + who.count
    for round_ in range(_ROUNDS):
        own_slope = np.where(named, slope[panel.raters], 1.0) if raters else np.ones(len(panel.rows))
        own_spread = np.where(named, spread[panel.raters], 1.0) if raters else np.ones(len(panel.rows))
        values = panel.ratings - (own_slope - 1.0) * (truth[panel.rows] - PRIOR_MEAN)
        error = noise_variance * own_spread
        # Whose errors no other setting shares, or who is not known: the variance is the rating's own.
        if raters:
            error = error + np.where(who.columns < 0, variances[0], 0.0)
        if pictures:
            error = error + np.where(what.columns < 0, variances[1], 0.0)
        system = _system(panel.rows, effects, (who.count, what.count), values, 1.0 / error, variances, settings)
        means, noise, inverse, right, across = system
        factor = Cholesky(kernel + noise, np.zeros(settings))
        truth = expected + kernel @ factor.solve(means - expected)
        effect = inverse @ (right - across.T @ truth)
        variance = np.diag(inverse) if len(effect) else np.zeros(0)
        offset = np.zeros(len(panel.rows))
        for columns in effects:
            inside = columns >= (who.count if columns is effects[1] else 0)
            offset[inside] += effect[columns[inside]]
        residual = values - truth[panel.rows] - offset
        if round_ == _ROUNDS - 1:
            break
        if raters:
            own = np.where(panel.raters < 0, raters, panel.raters)
            weight = 1.0 / error
            away = truth[panel.rows] - PRIOR_MEAN
            pull = np.bincount(own, weight * away * (residual + own_slope * away), raters + 1)[:raters]
            push = np.bincount(own, weight * away**2, raters + 1)[:raters]
            slope = (pull + 1.0 / SLOPE_DEVIATION**2) / (push + 1.0 / SLOPE_DEVIATION**2)
            slope_deviation = 1.0 / np.sqrt(push + 1.0 / SLOPE_DEVIATION**2)
            squares = np.bincount(own, residual**2, raters + 1)[:raters] / noise_variance
            spread = (_RELIABILITY_WEIGHT + squares) / (_RELIABILITY_WEIGHT + counts)
        for index, (start, count) in enumerate(((0, who.count), (who.count, what.count))):
            part = slice(start, start + count)
            prior = (LENIENCY_DEVIATION**2, PICTURE_DEVIATION**2)[index]
            variances[index] = (_VARIANCE_WEIGHT * prior + float(np.sum(effect[part] ** 2 + variance[part]))) / (
                _VARIANCE_WEIGHT + count
            )
    scatter = float(np.sum(residual**2 * noise_variance / error))
    explained = settings + float(np.sum(1.0 - variance / np.repeat(variances, [who.count, what.count])))
    leniency, leniency_deviation = np.zeros(raters), np.full(raters, float(np.sqrt(variances[0])))
    leniency[who.names] = effect[: who.count]
    leniency_deviation[who.names] = np.sqrt(variance[: who.count])
    level, level_variance = np.zeros(pictures), np.full(pictures, float(variances[1]))
    level[what.names] = effect[who.count :]
    level_variance[what.names] = variance[who.count :]
    reliability = np.sqrt(noise_variance * spread)
    return Judgement(
        means,
        noise,
        scatter,
        max(len(panel.rows) - explained, 0.0),
        leniency,
        leniency_deviation,
        slope,
        slope_deviation,
        reliability,
        reliability / np.sqrt(2.0 * (_RELIABILITY_WEIGHT + counts)),
        level,
        float(variances[0]),
        float(variances[1]),
        _next_error(panel.raters, panel, leniency_deviation**2, float(variances[0]))
        + _next_error(panel.pictures, panel, level_variance, float(variances[1])),
    )


def _next_error(owners: Indices, panel: Panel, known: Floats, prior: float) -> float:
    """Return how unsure the leniency of whoever rates next is, or the level of the next picture: a variance.

    So many of the sittings as brought somebody new, the next one does too; else it is one of those who rated so far.
    """
    named = owners[owners >= 0]
    if not len(known) or not len(named):
        return 0.0
    sittings = len(np.unique(np.stack([panel.raters, panel.pictures]), axis=1).T)
    fresh = min(len(known) / sittings, 1.0)
    return float(fresh * prior + (1.0 - fresh) * known[named].mean())


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """Those of some names whose errors are shared: `columns`, (n,), has the column of each rating, -1 for none.

    `names` has the index of the name of each of the `count` columns.
    """

    columns: Indices
    names: Indices
    count: int


def _shared(owners: Indices, names: int) -> _Shared:
    """Return who rated more than once; of more than MAX_SHARED those who rated most, the earlier first."""
    counts = np.bincount(owners[owners >= 0], minlength=names)
    order = np.argsort(-counts, kind="stable")[:MAX_SHARED]
    kept = np.sort(order[counts[order] > 1])
    columns = np.full(names + 1, -1, dtype=np.intp)
    columns[kept] = np.arange(len(kept))
    return _Shared(columns[owners], kept, len(kept))


def _system(
    rows: Indices,
    effects: tuple[Indices, Indices],
    counts: tuple[int, int],
    values: Floats,
    weights: Floats,
    variances: Floats,
    settings: int,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the settings' generalized least squares means and their covariance, and of the effects what is known.

    With A the incidence of settings, E that of effects, D the weights and V the effects' prior variances:

        W = Aᵀ D A - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D A      noise = W⁻¹
        means = W⁻¹ (Aᵀ D y - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D y)

    The last three are (Eᵀ D E + V⁻¹)⁻¹, Eᵀ D y and Aᵀ D E.
    """
    width = sum(counts)
    across = np.zeros((settings, width))
    within = np.diag(np.repeat(1.0 / variances, counts)) if width else np.zeros((0, 0))
    right = np.zeros(width)
    first = (0, counts[0])
    inside = [columns >= start for columns, start in zip(effects, first, strict=True)]
    for columns, here in zip(effects, inside, strict=True):
        np.add.at(across, (rows[here], columns[here]), weights[here])
        np.add.at(right, columns[here], weights[here] * values[here])
        np.add.at(within, (columns[here], columns[here]), weights[here])
    both = inside[0] & inside[1]
    np.add.at(within, (effects[0][both], effects[1][both]), weights[both])
    np.add.at(within, (effects[1][both], effects[0][both]), weights[both])
    inverse = np.linalg.inv(within) if width else within
    precision = np.diag(np.bincount(rows, weights, settings)) - across @ inverse @ across.T
    noise = np.linalg.inv(precision)
    noise = 0.5 * (noise + noise.T)
    means = noise @ (np.bincount(rows, weights * values, settings) - across @ (inverse @ right))
    return means, noise, inverse, right, across
