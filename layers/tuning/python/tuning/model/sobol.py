"""Sobol points: a low-discrepancy sequence in up to 16 dimensions, shifted by a seed.

Written out because `scipy.stats`, which has one, costs a cold start more than everything else together. Unshifted it
equals that one, point by point. It refuses more dimensions than it has direction numbers for.

Sources: S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci.
Comput. 30 (2008), whose direction numbers these are; the Gray-code order of Antonov and Saleev (1979); the random
digital shift of C. Lemieux, "Monte Carlo and Quasi-Monte Carlo Sampling" (2009), section 6.2.2.
"""

from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 16
MAX_POINTS = 2**30

_BITS = 30

# For each dimension after the first: the primitive polynomial's inner coefficients, and the initial direction numbers.
_DIRECTIONS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (0, (1,)),
    (1, (1, 3)),
    (1, (1, 3, 1)),
    (2, (1, 1, 1)),
    (1, (1, 1, 3, 3)),
    (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)),
    (4, (1, 1, 5, 5, 5)),
    (7, (1, 1, 7, 11, 19)),
    (11, (1, 1, 5, 1, 1)),
    (13, (1, 1, 1, 3, 11)),
    (14, (1, 3, 5, 5, 31)),
    (1, (1, 3, 3, 9, 7, 49)),
    (13, (1, 1, 1, 15, 21, 21)),
    (16, (1, 3, 1, 13, 27, 49)),
)


def sobol(count: int, dimensions: int, *, seed: str | None = None) -> NDArray[np.float64]:
    """Return the first `count` points of the sequence, shape (count, dimensions).

    Without a seed the points are the sequence itself, within [0, 1). With one, every point is shifted alike, by bits
    that depend on the seed alone, and lies strictly within (0, 1); the balance of the sequence is kept.

    Raises:
        ValueError: the count is not from 1 to MAX_POINTS, or the dimensions are not from 1 to MAX_DIMENSIONS.
    """
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(f"1 to {MAX_DIMENSIONS} dimensions, not {dimensions}")
    if not 1 <= count <= MAX_POINTS:
        raise ValueError(f"1 to {MAX_POINTS} points, not {count}")
    integers = _sequence(count, dimensions)
    if seed is None:
        return integers / 2.0**_BITS
    digest = blake2b(seed.encode(), digest_size=4 * MAX_DIMENSIONS).digest()
    shift = np.frombuffer(digest, dtype="<u4", count=dimensions).astype(np.int64) >> (32 - _BITS)
    return np.asarray(((integers ^ shift) + 0.5) / 2.0**_BITS, dtype=np.float64)


@lru_cache(maxsize=16)
def _sequence(count: int, dimensions: int) -> NDArray[np.int64]:
    index = np.arange(count, dtype=np.int64)
    gray = index ^ (index >> 1)
    points = np.zeros((count, dimensions), dtype=np.int64)
    for bit, direction in enumerate(_direction_numbers(dimensions)[: max(count - 1, 1).bit_length()]):
        points ^= ((gray >> bit) & 1)[:, None] * direction
    points.flags.writeable = False
    return points


@lru_cache(maxsize=16)
def _direction_numbers(dimensions: int) -> NDArray[np.int64]:
    """Return the direction numbers, shape (bits, dimensions), the first row for the lowest bit of the index."""
    numbers = np.zeros((_BITS, dimensions), dtype=np.int64)
    for dimension in range(dimensions):
        coefficients, initial = _DIRECTIONS[dimension - 1] if dimension else (0, ())
        degree = len(initial)
        m = list(initial) or [1] * _BITS
        for k in range(degree, _BITS if degree else 0):
            value = m[k - degree] ^ (m[k - degree] << degree)
            for i in range(1, degree):
                if coefficients >> (degree - 1 - i) & 1:
                    value ^= m[k - i] << i
            m.append(value)
        numbers[:, dimension] = [m[k] << (_BITS - 1 - k) for k in range(_BITS)]
    return numbers
