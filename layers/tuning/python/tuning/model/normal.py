"""The standard normal distribution, elementwise on arrays of any shape: density, probability below, quantile.

It calls Python's own functions of single numbers, which are exact to the last digits far into the tails.
`scipy.special`, which takes arrays, costs a cold start more than NumPy does.

Source: NIST Digital Library of Mathematical Functions, equation 7.2.2 (erfc).
"""

import math
from statistics import NormalDist

import numpy as np

from tuning.model.arrays import Floats

_SQRT_HALF = math.sqrt(0.5)
_INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_STANDARD = NormalDist()


def density(z: Floats) -> Floats:
    """Return the density at z: φ(z) = exp(-z² / 2) / √(2π)."""
    return np.asarray(_INVERSE_SQRT_2PI * np.exp(-0.5 * z * z))


def cdf(z: Floats) -> Floats:
    """Return the probability below z: Φ(z) = erfc(-z / √2) / 2. It is exact in the lower tail too; 1 + erf is not."""
    complement = np.fromiter(map(math.erfc, (-_SQRT_HALF * z).ravel().tolist()), np.float64, z.size)
    return np.asarray(0.5 * complement.reshape(z.shape))


def quantile(probability: Floats) -> Floats:
    """Return the z below which a value lies with this probability, the inverse of `cdf`: Φ⁻¹(p).

    Raises:
        ValueError: a probability is not strictly within (0, 1).
    """
    found = np.fromiter(map(_STANDARD.inv_cdf, probability.ravel().tolist()), np.float64, probability.size)
    return np.asarray(found.reshape(probability.shape))
