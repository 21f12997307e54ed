"""Fits what turns a search's evidence into the probability that a caption is as good as a person's.

Logistic regression (Cox, 1958) with a penalty on the squares of the weights of standardised evidence, by Newton's
method; the penalty is chosen by the likelihood of pictures left out. `captioning.model.confidence` has the model, and
`tools.captioner.trust` what "as good as a person's" means.

It must not be fitted on pictures that the decoder has learned from: it is surer of those than of any others. One piece
of its evidence is: how good captions of a picture will be, by its features alone, is learned from the training pictures
by ridge regression (Hoerl, Kennard, 1970), because it takes thousands. Captions of these are better than those of
others, and yet of the same kinds of pictures.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.confidence import Calibration, Evidence, Factor, evidence_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from captioning.model.decoding import Hypothesis

    Floats = NDArray[np.float64]

__all__ = ["fit_calibration", "fit_picture_weights", "to_document"]

_PENALTIES: Final = (1.0, 3.0, 10.0, 30.0, 100.0)
_FOLDS: Final = 10
_ROUNDS: Final = 30
_DIGITS: Final = 4
_WEIGHT_DIGITS: Final = 6
_TINY: Final = 1e-9
# As shares of the features' mean variance: from hardly any penalty to one that leaves the mean score alone.
_RIDGES: Final = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def fit_picture_weights(features: "NDArray[np.float32]", scores: "Floats") -> tuple[float, ...]:
    """Return the weights of `features` [pictures, F] that best tell the `scores` [pictures] of pictures left out."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    told = np.sqrt(scores)
    left, spreads, right = np.linalg.svd(centred, full_matrices=False)
    unit = float(np.mean(spreads**2))
    along = left.T @ (told - told.mean())

    def left_out_error(ridge: float) -> float:
        shrunk = spreads**2 / (spreads**2 + ridge * unit)
        residuals = told - told.mean() - left @ (shrunk * along)
        leverages = 1 / len(told) + np.einsum("ij,j,ij->i", left, shrunk, left)
        return float(np.mean((residuals / np.maximum(1 - leverages, _TINY)) ** 2))

    ridge = min(_RIDGES, key=left_out_error)
    weights = right.T @ (spreads / (spreads**2 + ridge * unit) * along)
    return tuple(round(weight, _WEIGHT_DIGITS) for weight in weights.tolist())


def fit_calibration(
    found: "Sequence[Sequence[Hypothesis]]",
    came_true: "NDArray[np.bool_]",
    sure_from: float,
    *,
    features: "NDArray[np.float32] | None" = None,
    picture: tuple[float, ...] = (),
) -> Calibration:
    """Fit over one search per picture, and whether its first caption was as good as a person's.

    `picture` are the weights that `fit_picture_weights` gives, and `features` [pictures, F] the pictures'.
    """
    given = [evidence_of(hypotheses, 0) for hypotheses in found]
    if picture and features is not None:
        for evidence, expected in zip(given, features @ np.asarray(picture, np.float32), strict=True):
            evidence[Evidence.PICTURE] = float(expected)
    # A search that found one caption only lacks some evidence, which then counts as the mean: after standardising, 0.
    # A greedy search never gives it.
    names = [name for name in Evidence if any(name in evidence for evidence in given)]
    table = np.array([[evidence.get(name, np.nan) for name in names] for evidence in given])
    means, deviations = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    standard = np.nan_to_num((table - means) / np.where(deviations > 0, deviations, 1.0))
    penalty = max(_PENALTIES, key=lambda one: _left_out_likelihood(standard, came_true, one))
    intercept, *weights = _fit(standard, came_true, penalty).tolist()
    factors = {
        name: Factor(round(weight / deviation, _DIGITS) if deviation > 0 else 0.0, round(mean, _DIGITS))
        for name, weight, mean, deviation in zip(names, weights, means.tolist(), deviations.tolist(), strict=True)
    }
    return Calibration(round(intercept, _DIGITS), factors, sure_from, picture if Evidence.PICTURE in factors else ())


def to_document(calibration: Calibration) -> "Mapping[str, object]":
    """Describe a calibration as the manifest has it."""
    return {
        "intercept": calibration.intercept,
        "factors": {
            str(name): {"weight": factor.weight, "mean": factor.mean} for name, factor in calibration.factors.items()
        },
        "sure_from": calibration.sure_from,
        **({"picture": list(calibration.picture)} if calibration.picture else {}),
    }


def _left_out_likelihood(table: "Floats", came_true: "NDArray[np.bool_]", penalty: float) -> float:
    """Return the mean log-likelihood of each tenth of the pictures by a fit of the others."""
    folds = np.arange(len(table)) % _FOLDS
    total = 0.0
    for fold in range(min(_FOLDS, len(table))):
        out = folds == fold
        logits = _logits(table[out], _fit(table[~out], came_true[~out], penalty))
        total -= float(np.logaddexp(0.0, np.where(came_true[out], -logits, logits)).sum())
    return total / len(table)


def _fit(table: "Floats", came_true: "NDArray[np.bool_]", penalty: float) -> "Floats":
    """Return the intercept, which is not penalised, and the weights."""
    columns = np.column_stack([np.ones(len(table)), table])
    # A trace of a penalty on the intercept keeps it finite where all came true, or nothing did.
    ridge = np.diag([1e-3, *[penalty] * table.shape[1]])
    weights = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        probabilities = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        slope = columns.T @ (probabilities - came_true) + ridge @ weights
        curvature = columns.T @ (columns * (probabilities * (1 - probabilities))[:, np.newaxis]) + ridge
        weights -= np.linalg.solve(curvature, slope)
    return weights


def _logits(table: "Floats", weights: "Floats") -> "Floats":
    logits: Floats = weights[0] + table @ weights[1:]
    return logits
