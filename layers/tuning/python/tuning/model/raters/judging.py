"""Judging: what a panel says of its settings, and what is known of its raters and pictures by then.

People differ: in leniency, in how widely they use the scale, and in how reliably they rate. Pictures differ in level:
some are easy, whatever is done to them. What rater r feels of a setting at x on picture k is taken to be

    y = PRIOR_MEAN + s_r (f(x) - PRIOR_MEAN) + b_r + p_k + e + rounding

    b_r ~ N(0, LENIENCY_DEVIATION²)      leniency
    p_k ~ N(0, PICTURE_DEVIATION²)       the picture's level
    s_r ~ N(1, SLOPE_DEVIATION²)         use of the scale
    e   ~ N(0, v_r noise variance)       v_r is 1 for a rater as reliable as most

f is the true rating, the surrogate's Gaussian process. With the slopes multiplying what is expected of f, everything
is normal given the v_r: leniencies, slopes and levels are integrated out, and what is left are generalized least
squares means of the settings. The covariance of their errors is not diagonal, because settings that one person judged
share that person's errors. What is expected of f, the v_r and the variances of the three effects are found by
alternating with the posterior of f, ROUNDS times, from their priors. So a first rating by a rater, or on a picture,
already counts for what it is worth. Rounding is that of whole or half stars, as an error of its own;
docs/decisions/0019 says what else was tried.

A rating whose rater is not known has a leniency of its own, and the like for pictures. In a study in which nobody is
named and no picture, nothing of this applies.

Sources: Z. Li and C. Bampis, "Recover Subjective Quality Scores from Noisy Measurements" (Data Compression Conference,
2017), section 3 (bias and inconsistency of subjects, by alternating); ITU-T Recommendation P.910 (the same model);
C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), section 2.7 (explicit effects with a
normal prior, integrated out); A. Aitken, "On Least Squares and Linear Combination of Observations", Proceedings of the
Royal Society of Edinburgh 55 (1936) (generalized least squares).
"""

from dataclasses import dataclass

import numpy as np

from tuning.model.arrays import Flags, Floats, Indices
from tuning.model.cholesky import Cholesky
from tuning.model.priors import PRIOR_MEAN
from tuning.model.raters.panel import Panel, rounding_variance

# Rating points, and for the slope rating points per rating point. In two public tests of picture quality (50 people,
# 151 items, five points) raters' biases had deviations of .30 and .41 and their slopes of .11 and .17. Pictures are
# taken to differ as much as people do, or a little less.
LENIENCY_DEVIATION = 0.35
PICTURE_DEVIATION = 0.30
SLOPE_DEVIATION = 0.14
# In how many raters' or pictures' worth of knowledge the prior of their variance is held, and in how many ratings'
# worth that of a rater's v_r. One rating scatters by .46 to .87 depending on the person.
_VARIANCE_WEIGHT = 8.0
_RELIABILITY_WEIGHT = 16.0
# Below this share of what was expected, nobody is called less reliable for being less exact.
_LEAST_SURPRISE = 0.1

MAX_SHARED = 128  # raters, and as many pictures, whose errors are shared between settings: those who rated most
ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a panel says of m settings, and of its r raters and k pictures.

    `means`, (m,), are the settings' ratings by people who are as lenient as most, in rating points, and `noise`,
    (m, m), is the covariance of their errors. `scatter` is how far the single ratings lie from them, in squared rating
    points, each weighted as a reliable rater's; it has `freedom` degrees of freedom. `leniency`, `slope` and
    `reliability`, the deviation of one rating, are (r,), with the deviation of the first two; `level` is (k,).
    `shared_variance` is that of the error which all ratings of the next sitting will share: one person's, on one
    picture.
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
    level: Floats
    shared_variance: float


def judge(panel: Panel, kernel: Floats, expected: Floats, noise_variance: float) -> Judgement:
    """Work out what the panel says, given the prior covariance (m, m) and mean (m,) of its settings' true ratings."""
    raters, pictures = len(panel.rater_names), len(panel.picture_names)
    slope = _Effect(panel.raters, raters, SLOPE_DEVIATION**2)
    leniency = _Effect(panel.raters, raters, LENIENCY_DEVIATION**2)
    level = _Effect(panel.pictures, pictures, PICTURE_DEVIATION**2)
    effects = (slope, leniency, level)
    truth = expected[panel.rows]
    spread = np.ones(raters)
    own = np.where(panel.raters < 0, raters, panel.raters)
    rounding = rounding_variance(panel.steps)
    for round_ in range(ROUNDS):
        slope.loadings = truth - PRIOR_MEAN
        alone = sum(effect.alone for effect in effects)
        errors = noise_variance * np.append(spread, 1.0)[own] + rounding + alone
        means = _Means(panel.rows, len(expected), effects, panel.ratings, 1.0 / errors)
        factor = Cholesky(kernel + means.noise, np.zeros(len(expected)))
        truth = (expected + kernel @ factor.solve(means.values - expected))[panel.rows]
        found, variances = means.effects(truth), means.effect_variances(kernel, factor)
        if round_ == ROUNDS - 1:
            break
        for effect, part in zip(effects, means.parts, strict=True):
            effect.learn(found[part], variances[part])
        surprise = (panel.ratings - truth - means.offset(found)) ** 2 / (noise_variance + rounding + alone)
        spread = _relative_spread(own, raters, surprise)
    slopes, leniencies, levels = (
        effect.of_all(found[part], variances[part]) for effect, part in zip(effects, means.parts, strict=True)
    )
    return Judgement(
        means.values,
        means.noise,
        noise_variance * means.scatter,
        float(len(panel.rows) - len(expected)),
        leniencies[0],
        np.sqrt(leniencies[1]),
        1.0 + slopes[0],
        np.sqrt(slopes[1]),
        np.sqrt(noise_variance * spread),
        levels[0],
        sum(
            effect.next_variance(means.conditional_variances[part], panel)
            for effect, part in zip(effects[1:], means.parts[1:], strict=True)
        ),
    )


def _relative_spread(owners: Indices, raters: int, surprise: Floats) -> Floats:
    """Return the v_r of the raters, (r,), given how large each rating's squared error is beside what was expected.

    Relative to all: how much everybody scatters is the noise variance, which is fitted.
    """
    relative = surprise / max(float(surprise.mean()), _LEAST_SURPRISE)
    counts, sums = np.bincount(owners, minlength=raters + 1), np.bincount(owners, relative, raters + 1)
    return np.asarray((_RELIABILITY_WEIGHT + sums) / (_RELIABILITY_WEIGHT + counts))[:raters]


class _Effect:
    """The raters' slopes or leniencies or the pictures' levels: which of them settings share, and how much they differ.

    `columns`, (n,), has the column of each rating's owner, -1 of those that no two ratings share; `names`, the owner of
    each column; `shared`, (n,), says which ratings have a column. Of more than MAX_SHARED those who rated most have
    one, the earlier first. `loadings`, (n,), are what each rating has of its owner's effect.
    """

    def __init__(self, owners: Indices, names: int, variance: float) -> None:
        self._owners, self._count, self._prior = owners, names, variance
        self.variance = variance
        self.loadings = np.ones(len(owners))
        counts = np.bincount(owners[owners >= 0], minlength=names)
        most = np.argsort(-counts, kind="stable")[:MAX_SHARED]
        self.names = np.sort(most[counts[most] > 1])
        columns = np.full(names + 1, -1, dtype=np.intp)
        columns[self.names] = np.arange(len(self.names))
        self.columns = columns[owners]
        self.shared: Flags = self.columns >= 0

    @property
    def alone(self) -> Floats:
        """The variance that the effect adds to each rating which shares it with no other; 0 if nobody is named."""
        own = 0.0 if self._count == 0 else self.variance
        return np.where(self.shared, 0.0, own * self.loadings**2)

    def learn(self, effects: Floats, variances: Floats) -> None:
        """Take in what is known of the effects that are shared: how much they differ."""
        known = float(np.sum(effects**2 + variances))
        self.variance = (_VARIANCE_WEIGHT * self._prior + known) / (_VARIANCE_WEIGHT + len(effects))

    def of_all(self, effects: Floats, variances: Floats) -> tuple[Floats, Floats]:
        """Return the effects and their variances, of all owners: the prior's of those that are not shared."""
        all_effects, all_variances = np.zeros(self._count), np.full(self._count, self.variance)
        all_effects[self.names], all_variances[self.names] = effects, variances
        return all_effects, all_variances

    def next_variance(self, variances: Floats, panel: Panel) -> float:
        """Return how unsure the effect is in the next sitting if the true ratings are known: the shared effects are so.

        The chance of a new owner is the share of sittings whose owner had no other (I. Good, "The population
        frequencies of species", Biometrika 40 (1953)); else it is one of those so far, the more often the more it was.
        """
        named = panel.sittings[self._owners[panel.sittings] >= 0]
        if not len(named):
            return 0.0
        fresh = np.count_nonzero(np.bincount(self._owners[named]) == 1) / len(named)
        known = np.append(variances, self.variance)[self.columns[named]]
        return float(fresh * self.variance + (1.0 - fresh) * known.mean())


class _Means:
    """The settings' generalized least squares means, their covariance, and what is known of the shared effects.

    With A the incidence of settings, E the loadings of effects, D the weights and V the effects' prior variances:

        W = Aᵀ D A - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D A      noise = W⁻¹
        values = W⁻¹ (Aᵀ D y - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D y)

    `scatter` is rᵀ (D⁻¹ + E V Eᵀ)⁻¹ r of the residuals r. `parts` are the effects' places, one for each kind;
    `conditional_variances` those of the effects if the true ratings are known.
    """

    def __init__(
        self, rows: Indices, settings: int, kinds: tuple[_Effect, ...], ratings: Floats, weights: Floats
    ) -> None:
        ends = np.cumsum([len(kind.names) for kind in kinds])
        self.parts = [slice(end - len(kind.names), end) for kind, end in zip(kinds, ends, strict=True)]
        self._weights, self._ratings, self._kinds = weights, ratings, kinds
        across = np.zeros((settings, int(ends[-1])))
        within = np.diag(np.concatenate([np.full(len(kind.names), 1.0 / kind.variance) for kind in kinds]))
        for kind, part in zip(kinds, self.parts, strict=True):
            has = kind.shared
            loaded = weights * kind.loadings
            np.add.at(across, (rows[has], part.start + kind.columns[has]), loaded[has])
            for other, beside in zip(kinds, self.parts, strict=True):
                both = has & other.shared
                places = part.start + kind.columns[both], beside.start + other.columns[both]
                np.add.at(within, places, (loaded * other.loadings)[both])
        self._inverse = np.linalg.inv(within)
        self.conditional_variances = self._inverse.diagonal()
        self._weighing = across @ self._inverse
        precision = np.diag(np.bincount(rows, weights, settings)) - self._weighing @ across.T
        noise = np.linalg.inv(precision)
        self.noise = 0.5 * (noise + noise.T)
        right = self._per_effect(weights * ratings)
        self.values = self.noise @ (np.bincount(rows, weights * ratings, settings) - self._weighing @ right)
        residual = ratings - self.values[rows]
        shared = self._per_effect(weights * residual)
        self.scatter = max(float(weights @ residual**2 - shared @ self._inverse @ shared), 0.0)

    def effects(self, truth: Floats) -> Floats:
        """Return the shared effects, as far as they are known if the true ratings, (n,), are these."""
        return np.asarray(self._inverse @ self._per_effect(self._weights * (self._ratings - truth)))

    def effect_variances(self, kernel: Floats, factor: Cholesky) -> Floats:
        """Return how unsure the shared effects are, the true ratings being no surer than they are.

        Given the true ratings f the effects are (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D (y - A f). What f's posterior covariance adds is
        taken through that: `factor` is that of the prior covariance of f, which is `kernel`, and the means' errors.
        """
        through = kernel @ self._weighing
        unexplained = np.einsum("ij,ij->j", self._weighing, through) - np.sum(factor.whiten(through) ** 2, axis=0)
        return np.asarray(self.conditional_variances + np.maximum(unexplained, 0.0))

    def offset(self, effects: Floats) -> Floats:
        """Return what the shared effects add to each rating, (n,)."""
        added = np.zeros(len(self._ratings))
        for kind, part in zip(self._kinds, self.parts, strict=True):
            has = kind.shared
            added[has] += kind.loadings[has] * effects[part][kind.columns[has]]
        return added

    def _per_effect(self, values: Floats) -> Floats:
        return np.concatenate(
            [
                np.bincount(kind.columns[kind.shared], (values * kind.loadings)[kind.shared], len(kind.names))
                for kind in self._kinds
            ]
        )
