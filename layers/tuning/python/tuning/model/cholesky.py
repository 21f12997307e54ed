"""The Cholesky factor of a covariance matrix and what is solved with it, on NumPy alone, which solves no triangles.

Forward and backward substitution go block by block. Each block on the diagonal of the factor L is inverted once; all
else is products of matrices:

    y_i = L_ii⁻¹ (b_i - sum over j < i of L_ij y_j)        L y = b
    x_i = L_ii⁻ᵀ (y_i - sum over j > i of L_jiᵀ x_j)       Lᵀ x = y

That is no slower than LAPACK's substitution, and differs from it by rounding alone.

Sources: G. Golub and C. Van Loan, "Matrix Computations", 4th edition (2013), algorithm 4.2.1 and section 3.1.4
(block substitution); N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition (2002), sections 8.1
and 14.2 (its error, and that of a triangle's inverse).
"""

import numpy as np

from tuning.model.arrays import Floats

# Added to the diagonal, in turn, should rounding make the matrix singular; in the unit of the matrix.
JITTERS = (1e-10, 1e-8, 1e-6, 1e-4)

_BLOCK = 32  # rows; smaller ones make more calls, larger ones more work in the inverses


class Cholesky:
    """The lower factor L of a symmetric, positive definite matrix of shape (n, n): L Lᵀ is the matrix. n may be 0."""

    __slots__ = ("_inverses", "lower")

    def __init__(self, matrix: Floats, diagonal: Floats) -> None:
        """Factorize `matrix`, (n, n), plus `diagonal`, (n,), on its diagonal, with the least jitter that is needed.

        Raises:
            ValueError: the sum is singular even with the largest jitter.
        """
        self.lower = _factorize(matrix, matrix.diagonal() + diagonal)
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(matrix), _BLOCK)]
        # By way of the transpose, which is upper triangular: there is nothing in it for NumPy to eliminate or to swap,
        # and what is left of its inversion is substitution.
        self._inverses = [(rows, np.linalg.inv(self.lower[rows, rows].T).T) for rows in blocks]

    def whiten(self, right: Floats) -> Floats:
        """Return L⁻¹ `right`, of the shape of `right`: (n,) or (n, k). K⁻¹ is (L⁻¹)ᵀ L⁻¹."""
        solved = np.empty_like(right)
        for rows, inverse in self._inverses:
            before = slice(rows.start)
            solved[rows] = inverse @ (right[rows] - self.lower[rows, before] @ solved[before])
        return solved

    def solve(self, right: Floats) -> Floats:
        """Return K⁻¹ `right` of the factorized matrix K, of the shape of `right`: (n,) or (n, k)."""
        solved = self.whiten(right)
        for rows, inverse in reversed(self._inverses):
            after = slice(rows.stop, None)
            solved[rows] = inverse.T @ (solved[rows] - self.lower[after, rows].T @ solved[after])
        return solved


def _factorize(matrix: Floats, diagonal: Floats) -> Floats:
    summed = matrix.copy()
    for jitter in JITTERS:
        np.fill_diagonal(summed, diagonal + jitter)
        try:
            return np.asarray(np.linalg.cholesky(summed))
        except np.linalg.LinAlgError:
            continue
    raise ValueError("the matrix is singular")
