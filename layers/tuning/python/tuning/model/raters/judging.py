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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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

MAX_SHARED = 64  # raters, and as many pictures, whose errors are shared between settings: those who rated most
MAX_LEARNED = 96  # settings of which people's habits are learned
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a panel says of m settings, and of its r raters and k pictures.

    `means`, (m,), are the settings' ratings by people who are as lenient as most, in rating points, and `noise`,
    (m, m), is the covariance of their errors. `scatter` is how far the single ratings lie from them, in squared rating
    points, each weighted as a reliable rater's; it has `freedom` degrees of freedom. `reliability` is the deviation of
    one rating of each rater, (r,), with its own. `shared_variance` is that of the error which all ratings of the next
    sitting will share: one person's, on one picture. What else is known of people is worked out when it is asked for.

    The deviation of a reliability that rests on n ratings is approximate: the reliability / √(2 (_RELIABILITY_WEIGHT +
    n)), because the logarithm of a variance that is estimated with k degrees of freedom has a variance of about 2 / k.
    """

    reliability: Floats
    reliability_deviation: Floats
    shared_variance: float
    freedom: float
    scatter: float
    _least_squares: "_LeastSquares"
    _kernel: Floats
    _expected: Floats

    @property
    def means(self) -> Floats:
        """The settings' ratings by people who are as lenient as most, (m,)."""
        return self._least_squares.values

    @property
    def noise(self) -> Floats:
        """The covariance of the errors of the means, (m, m), in squared rating points."""
        return self._least_squares.noise

    @property
    def slope(self) -> Floats:
        """By how many points each rater's ratings rise where the true ones rise by one, (r,)."""
        return 1.0 + self._effects[0][0]

    @property
    def slope_deviation(self) -> Floats:
        """How unsure the slopes are, (r,)."""
        return np.sqrt(self._effects[0][1])

    @property
    def leniency(self) -> Floats:
        """By how much each rater rates above most people, in rating points, (r,)."""
        return self._effects[1][0]

    @property
    def leniency_deviation(self) -> Floats:
        """How unsure the leniencies are, in rating points, (r,)."""
        return np.sqrt(self._effects[1][1])

    @property
    def level(self) -> Floats:
        """By how much each picture is rated above most, in rating points, (k,)."""
        return self._effects[2][0]

    @cached_property
    def _effects(self) -> list[tuple[Floats, Floats]]:
        """The slopes' distances from 1, the leniencies and the levels, and the variance of each."""
        means = self._least_squares
        factor = Cholesky(self._kernel + means.noise, np.zeros(len(self._expected)))
        effects = means.effects(self._expected + self._kernel @ factor.solve(means.values - self._expected))
        variances = means.effect_variances(self._kernel, factor)
        return [kind.of_all(effects[part], variances[part]) for kind, part in means.kinds]


def judge(panel: Panel, kernel: Floats, expected: Floats, noise_variance: float) -> Judgement:
    """Work out what the panel says, given the prior covariance (m, m) and mean (m,) of its settings' true ratings."""
    habits = _learn(panel, kernel, expected, noise_variance)
    effects = _effects_of(panel, habits.variances, habits.truth)
    means = _LeastSquares(panel, len(expected), effects, habits.errors(panel, noise_variance))
    return Judgement(
        np.sqrt(noise_variance * habits.spread),
        np.sqrt(noise_variance * habits.spread / (2.0 * habits.known)),
        sum(kind.next_variance(means.conditional_variances[part], panel) for kind, part in means.kinds[1:]),
        float(len(panel.rows) - len(expected)),
        noise_variance * means.scatter,
        means,
        kernel,
        expected,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Habits:
    """What is learned of a panel by alternation.

    `variances` are those of slopes, leniencies and levels; `truth`, (m,), what is expected of the settings; `spread`,
    (r,), the v_r, known as well as that many ratings tell, `known`, (r,).
    """

    variances: tuple[float, ...]
    truth: Floats
    spread: Floats
    known: Floats

    def errors(self, panel: Panel, noise_variance: float) -> Floats:
        """Return the variance of each rating's own error, (n,), rounding included."""
        own = np.append(self.spread, 1.0)[np.where(panel.raters < 0, len(self.spread), panel.raters)]
        return np.asarray(noise_variance * own + rounding_variance(panel.steps))


def _learn(panel: Panel, kernel: Floats, expected: Floats, noise_variance: float) -> _Habits:
    """Alternate between the posterior of the truth and what raters and pictures are like, from what is expected."""
    # Of very many settings the most often rated teach it, of these the later: what people are like needs no more.
    counts = np.bincount(panel.rows, minlength=len(expected))
    kept = np.sort(np.lexsort((-np.arange(len(counts)), -counts))[:MAX_LEARNED])
    known = panel.of_settings(kept, len(expected))
    within, prior = kernel[np.ix_(kept, kept)], expected[kept]
    raters = len(panel.rater_names)
    owners = np.where(known.raters < 0, raters, known.raters)
    ratings: Floats = np.asarray(_RELIABILITY_WEIGHT + np.bincount(owners, minlength=raters + 1)[:raters], np.float64)
    habits = _Habits(
        (SLOPE_DEVIATION**2, LENIENCY_DEVIATION**2, PICTURE_DEVIATION**2), expected, np.ones(raters), ratings
    )
    for _ in range(ROUNDS):
        effects = _effects_of(known, habits.variances, habits.truth[kept])
        means = _LeastSquares(known, len(kept), effects, habits.errors(known, noise_variance))
        factor = Cholesky(within + means.noise, np.zeros(len(kept)))
        pull = factor.solve(means.values - prior)
        found = means.effects(prior + within @ pull)
        variances = means.effect_variances(within, factor)
        plain = noise_variance + rounding_variance(known.steps) + means.alone
        surprise = (known.ratings - (prior + within @ pull)[known.rows] - means.offset(found)) ** 2 / plain
        # Relative to all: how much everybody scatters is the noise variance, which is fitted.
        surprise /= max(float(surprise.mean()), _LEAST_SURPRISE)
        habits = _Habits(
            tuple(kind.learned(found[part], variances[part]) for kind, part in means.kinds),
            expected + kernel[:, kept] @ pull,
            (_RELIABILITY_WEIGHT + np.bincount(owners, surprise, raters + 1)[:raters]) / ratings,
            ratings,
        )
    return habits


def _effects_of(panel: Panel, variances: tuple[float, ...], truth: Floats) -> tuple["_Effect", "_Effect", "_Effect"]:
    """Return the slopes, the leniencies and the levels, given what is expected of the settings."""
    raters, pictures = len(panel.rater_names), len(panel.picture_names)
    ones = np.ones(len(panel.rows))
    return (
        _Effect(panel.raters, raters, truth[panel.rows] - PRIOR_MEAN, variances[0], SLOPE_DEVIATION**2),
        _Effect(panel.raters, raters, ones, variances[1], LENIENCY_DEVIATION**2),
        _Effect(panel.pictures, pictures, ones, variances[2], PICTURE_DEVIATION**2),
    )


class _Effect:
    """The raters' slopes or leniencies or the pictures' levels: which of them settings share, and how much they differ.

    `columns`, (n,), has the column of each rating's owner, -1 of those that no two ratings share; `names`, the owner of
    each column; `shared`, (n,), says which ratings have a column. Of more than MAX_SHARED those who rated most have
    one, the earlier first. `loadings`, (n,), are what each rating has of its owner's effect.
    """

    def __init__(self, owners: Indices, names: int, loadings: Floats, variance: float, prior: float) -> None:
        self._owners, self._count, self._prior = owners, names, prior
        self.loadings, self.variance = loadings, variance
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

    def learned(self, effects: Floats, variances: Floats) -> float:
        """Return how much owners differ, a variance, by what is known of the effects that are shared."""
        known = float(np.sum(effects**2 + variances))
        return (_VARIANCE_WEIGHT * self._prior + known) / (_VARIANCE_WEIGHT + len(effects))

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


class _LeastSquares:
    """The settings' generalized least squares means, their covariance, and what is known of the shared effects.

    With A the incidence of settings, E the loadings of effects, D the weights and V the effects' prior variances:

        W = Aᵀ D A - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D A      noise = W⁻¹
        values = W⁻¹ (Aᵀ D y - Aᵀ D E (Eᵀ D E + V⁻¹)⁻¹ Eᵀ D y)

    `scatter` is rᵀ (D⁻¹ + E V Eᵀ)⁻¹ r of the residuals r. `kinds` are the kinds of effects with the place of each
    kind's; `conditional_variances` those of the effects if the true ratings are known; `alone` what effects that are
    not shared add to the variance of each rating.
    """

    def __init__(self, panel: Panel, settings: int, effects: Sequence[_Effect], errors: Floats) -> None:
        self.alone = np.sum([kind.alone for kind in effects], axis=0)
        self._panel, self._weights = panel, 1.0 / (errors + self.alone)
        ends = np.cumsum([len(kind.names) for kind in effects]).tolist()
        self.kinds = [(kind, slice(end - len(kind.names), end)) for kind, end in zip(effects, ends, strict=True)]
        rows, ratings, weights = panel.rows, panel.ratings, self._weights
        width = ends[-1]
        across, within = np.zeros(settings * width), np.zeros(width * width)
        for kind, part in self.kinds:
            has, loaded = kind.shared, weights * kind.loadings
            column = part.start + kind.columns
            across += np.bincount((rows * width + column)[has], loaded[has], settings * width)
            for other, beside in self.kinds:
                both = has & other.shared
                place = column * width + beside.start + other.columns
                within += np.bincount(place[both], (loaded * other.loadings)[both], width * width)
        across, within = across.reshape(settings, width), within.reshape(width, width)
        within += np.diag(np.concatenate([np.full(len(kind.names), 1.0 / kind.variance) for kind in effects]))
        self._inverse = np.linalg.inv(within)
        self.conditional_variances = self._inverse.diagonal()
        self._weighing = across @ self._inverse
        # W⁻¹ by way of a matrix of the effects' size, which is the smaller one in large studies (Woodbury's identity).
        own = np.bincount(rows, weights, settings)
        scaled = across / own[:, None]
        self.noise = scaled @ np.linalg.inv(within - across.T @ scaled) @ scaled.T
        self.noise.flat[:: settings + 1] += 1.0 / own
        right = self._per_effect(weights * ratings)
        self.values = self.noise @ (np.bincount(rows, weights * ratings, settings) - self._weighing @ right)
        residual = ratings - self.values[rows]
        shared = self._per_effect(weights * residual)
        self.scatter = max(float(weights @ residual**2 - shared @ self._inverse @ shared), 0.0)

    def effects(self, truth: Floats) -> Floats:
        """Return the shared effects, as far as they are known if the settings' true ratings, (m,), are these."""
        away = self._panel.ratings - truth[self._panel.rows]
        return np.asarray(self._inverse @ self._per_effect(self._weights * away))

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
        added = np.zeros(len(self._weights))
        for kind, part in self.kinds:
            has = kind.shared
            added[has] += kind.loadings[has] * effects[part][kind.columns[has]]
        return added

    def _per_effect(self, values: Floats) -> Floats:
        return np.concatenate(
            [
                np.bincount(kind.columns[kind.shared], (values * kind.loadings)[kind.shared], len(kind.names))
                for kind, _ in self.kinds
            ]
        )
