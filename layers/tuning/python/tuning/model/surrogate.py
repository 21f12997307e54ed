"""The surrogate: a Gaussian process over every API of a mode at once, and its posterior given the ratings.

Two settings are alike as a Matern 5/2 kernel of their distance says, times 1 within an API and times the learned
similarity across APIs. The prior's mean, and the part of the covariance that is not learned, are in
`tuning.model.priors`; people disagree, so noise is part of the model. NumPy alone, so that a cold start stays cheap.
Nothing is fitted here: hyperparameters come from `tuning.model.learning` by way of the store.

Sources: C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006): algorithm 2.1 (the posterior by
a Cholesky factor), equation 2.38 (with a prior mean), equation 4.17 (Matern 5/2); E. Bonilla et al., "Multi-task
Gaussian Process Prediction" (NIPS 2007), section 2 (the product with a matrix of task similarities); D. Ginsbourger et
al., "Kriging is well-suited to parallelize optimization" (2010), section 4 (the kriging believer, for what is pending).
"""

import math
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from tuning.model.arrays import Floats, Indices
from tuning.model.cholesky import Cholesky
from tuning.model.encoding import Points
from tuning.model.pooling import Ratings
from tuning.model.priors import (
    TASK_LEVEL_VARIANCE,
    ColumnHyperparameters,
    level_covariance,
    level_variance,
    prior_mean,
)
from tuning.model.raters.judging import Judgement, judge
from tuning.model.raters.panel import Panel


def covariance(a: Points, b: Points, hyperparameters: ColumnHyperparameters) -> Floats:
    """Return the prior covariance of the true ratings at two sets of points, in squared rating points.

        k(x, x') = s² [1 or, across APIs, similarity] (1 + √5 r + 5/3 r²) exp(-√5 r) + level covariance
        r²       = sum over the columns j of (x_j - x'_j)² / l_j²

    Rasmussen and Williams (2006), equation 4.17, with a lengthscale l_j per column; s² is the signal variance. The
    shape is (len(a), len(b)).

    Raises:
        ValueError: the hyperparameters are those of another mode, for more or fewer columns than the points have.
    """
    lengthscales = np.array(hyperparameters.lengthscales)
    if not a.coordinates.shape[1:] == b.coordinates.shape[1:] == lengthscales.shape:
        raise ValueError(
            f"{len(lengthscales)} lengthscales do not fit points of {a.coordinates.shape[1]} and "
            f"{b.coordinates.shape[1]} columns"
        )
    scaled_a, scaled_b = a.coordinates / lengthscales, b.coordinates / lengthscales
    squared = scaled_a @ (-2.0 * scaled_b.T)
    squared += np.sum(scaled_a**2, axis=1)[:, None]
    squared += np.sum(scaled_b**2, axis=1)
    np.maximum(squared, 0.0, out=squared)
    root = np.sqrt(5.0 * squared)
    squared *= 5.0 / 3.0
    squared += root
    squared += 1.0
    squared *= np.exp(-root)
    same = a.apis[:, None] == b.apis
    squared *= np.where(
        same, hyperparameters.signal_variance, hyperparameters.signal_variance * hyperparameters.similarity
    )
    squared += level_covariance(a.trends, b.trends, same)
    return np.asarray(squared)


def covariance_of_rated(points: Points, generations: Indices | None, hyperparameters: ColumnHyperparameters) -> Floats:
    """Return the prior covariance of the true ratings of settings rated in a study and its ancestors, shape (n, n).

    That of points i and j, rated in the generations g_i and g_j, in squared rating points:

        similarity^|g_i - g_j| k(x_i, x_j) + TASK_LEVEL_VARIANCE [g_i = g_j > 0]      Bonilla et al. (2007), equation 2

    The similarity is that of a task and the next.
    """
    kernel = covariance(points, points, hyperparameters)
    if generations is not None:
        steps, level = task_relation(generations)
        kernel *= hyperparameters.task_similarity**steps
        kernel += level
    return kernel


def task_relation(generations: Indices) -> tuple[Floats, Floats]:
    """Return how many steps of basing lie between n settings' tasks, and the covariance of their tasks' levels.

    Both are (n, n); the second in squared rating points.
    """
    steps = np.abs(generations[:, None] - generations).astype(np.float64)
    return steps, np.where((steps == 0) & (generations > 0), TASK_LEVEL_VARIANCE, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class SharedError:
    """The error that all ratings of the next sitting share: one person's, on one picture. In rating points.

    `covariance`, (n,), is that with the true ratings of the posterior's points: 0 before the sitting's first rating.
    """

    mean: float
    variance: float
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The posterior of the true ratings at n points: mean, in rating points, and variance, squared; both (n,).

    It holds what conditioning on one more rating at one of these points takes: `_whitened`, of shape (ratings, n), is
    L⁻¹ k(X, points), where L is the Cholesky factor of the covariance of the ratings. The ratings that it is
    conditioned on are of one sitting, whose error they share.
    """

    points: Points
    mean: Floats
    variance: Floats
    _whitened: Floats
    hyperparameters: ColumnHyperparameters
    shared: SharedError

    @property
    def deviation(self) -> Floats:
        """The posterior standard deviation of the true ratings, in rating points, shape (n,)."""
        return np.sqrt(self.variance)

    def covariance(self, indices: Indices) -> Floats:
        """Return the posterior covariance of all points with those of k indices, in squared rating points.

        The shape is (n, k).

            k(x, x') - k(x, X) (K + noise)⁻¹ k(X, x')        Rasmussen and Williams (2006), equation 2.24
        """
        prior = covariance(self.points, self.points.take(indices), self.hyperparameters)
        return np.asarray(prior - self._whitened.T @ self._whitened[:, indices])

    def foresee(self, indices: Indices) -> Floats:
        """Return by how much one rating of each of k points would move all n means, per deviation of that rating.

            (covariance with the point's true rating + covariance with the shared error) / deviation of the rating

        The deviation of the rating, its error included, is that of what it is expected to be. The shape is (n, k), the
        unit rating points.
        """
        with_rating = self.covariance(indices) + self.shared.covariance[:, None]
        return np.asarray(with_rating / np.sqrt(self._rating_variance(indices)))

    def condition(self, index: int, rating: float) -> "Posterior":
        """Return the posterior after one more rating y at the point i of this index, without factorizing anew.

        mean     + c (y - mean_i - mean of the shared error) / v
        variance - c² / v        c = covariance with that rating,  v = its variance
        """
        at = np.array([index])
        deviation = math.sqrt(self._rating_variance(at)[0])
        row = self.foresee(at)[:, 0]
        shared = self.shared
        pull = (shared.variance + shared.covariance[index]) / deviation
        surprise = (rating - self.mean[index] - shared.mean) / deviation
        return replace(
            self,
            mean=self.mean + surprise * row,
            variance=np.maximum(self.variance - row**2, 0.0),
            _whitened=np.vstack([self._whitened, row]),
            shared=SharedError(
                shared.mean + surprise * pull, max(shared.variance - pull**2, 0.0), shared.covariance - row * pull
            ),
        )

    def _rating_variance(self, indices: Indices) -> Floats:
        """Return the variance of one rating of each of k points, (k,): of what is true, of the errors, and of both."""
        of_errors = self.shared.variance + self.hyperparameters.noise_variance
        return np.asarray(self.variance[indices] + 2.0 * self.shared.covariance[indices] + of_errors)


class Surrogate:
    """The Gaussian process conditioned on ratings. Without ratings it is the prior.

    `rated_mean` is the posterior mean at the n rated points, in rating points, shape (n,): all that is predicted is of
    the study itself, wherever a point was rated. `judgement` is what is known of people and pictures; None where nobody
    is named and no picture.
    """

    __slots__ = ("_factor", "_points", "_ties", "_weights", "hyperparameters", "judgement", "rated_mean")

    @classmethod
    def of(cls, ratings: Ratings, hyperparameters: ColumnHyperparameters) -> "Surrogate":
        """Condition on pooled ratings; where people or pictures are named, on what they say of the settings.

        The latest of the same ratings is remembered as long as they are.
        """
        known = _known.get(ratings)
        if known is None or known.hyperparameters != hyperparameters:
            known = cls(
                ratings.points,
                ratings.means,
                ratings.counts,
                hyperparameters,
                ratings.panel,
                generations=ratings.generations,
            )
            _known[ratings] = known
        return known

    def __init__(
        self,
        points: Points,
        ratings: Floats,
        counts: Floats,
        hyperparameters: ColumnHyperparameters,
        panel: Panel | None = None,
        *,
        generations: Indices | None = None,
    ) -> None:
        """Condition on n points' mean ratings, shape (n,), of which each is of so many (`counts`, (n,)) single ratings.

        `generations`, (n,), says in which study each was rated (`tuning.model.pooling.Ratings`); None: in this one.

            weights = (K + noise)⁻¹ (ratings - prior mean)

        The noise is diag(noise variance / counts). With a panel of those ratings, means and noise are what it says.

        Raises:
            ValueError: the matrix stays singular even with the largest jitter, or the hyperparameters are another
                mode's.
        """
        self.hyperparameters = hyperparameters
        self._points = points
        # The similarity of each rated setting's task to the study itself, as a factor of its covariances.
        self._ties = None if generations is None else hyperparameters.task_similarity ** generations.astype(np.float64)
        self.judgement: Judgement | None = None
        kernel, expected = covariance_of_rated(points, generations, hyperparameters), prior_mean(points.trends)
        if panel is None:
            self._factor = Cholesky(kernel, hyperparameters.noise_variance / counts)
        else:
            self.judgement = judge(panel, kernel, expected, hyperparameters.noise_variance)
            ratings = self.judgement.means
            self._factor = Cholesky(kernel + self.judgement.noise, np.zeros(len(points)))
        self._weights = self._factor.solve(ratings - expected)
        self.rated_mean = expected + kernel @ self._weights if self._ties is None else self.mean(points)

    def mean(self, points: Points) -> Floats:
        """Return the posterior mean alone at n points, in rating points, shape (n,): cheaper than `posterior`."""
        return prior_mean(points.trends) + self._weights @ self._covariance_with(points)

    def posterior(self, points: Points, pending: Points | None = None) -> Posterior:
        """Return the posterior at points, as if each of the pending ones had had one more rating, just as expected.

            mean     = m(x) + k(x, X) weights
            variance = k(x, x) - |L⁻¹ k(X, x)|²        Rasmussen and Williams (2006), algorithm 2.1 and equation 2.38

        Ratings that are as expected move no mean and make it surer (the kriging believer, Ginsbourger et al., 2010):
        the factor grows by the rows of the pending points, the weights by zeros.

        Raises:
            ValueError: the points have more or fewer columns than the rated ones.
        """
        shared = 0.0 if self.judgement is None else self.judgement.shared_variance
        cross = self._covariance_with(points)
        whitened = self._factor.whiten(cross)
        mean = prior_mean(points.trends) + self._weights @ cross
        if pending is not None:
            known = self._factor.whiten(self._covariance_with(pending))
            unknown = covariance(pending, pending, self.hyperparameters) - known.T @ known
            factor = Cholesky(unknown, np.full(len(pending), self.hyperparameters.noise_variance + shared))
            rows = factor.whiten(covariance(pending, points, self.hyperparameters) - known.T @ whitened)
            whitened = np.vstack([whitened, rows])
        level = level_variance(points.trends)
        variance = self.hyperparameters.signal_variance + level - np.einsum("ij,ij->j", whitened, whitened)
        error = SharedError(0.0, shared, np.zeros(len(points)))
        return Posterior(points, mean, np.maximum(variance, 0.0), whitened, self.hyperparameters, error)

    def _covariance_with(self, points: Points) -> Floats:
        """Return the prior covariance of the n rated settings, each in its task, with m points of the study: (n, m)."""
        cross = covariance(self._points, points, self.hyperparameters)
        return cross if self._ties is None else cross * self._ties[:, None]


# What this process conditioned on last, of each study's ratings that are still in use.
_known: WeakKeyDictionary[Ratings, Surrogate] = WeakKeyDictionary()
