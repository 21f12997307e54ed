"""The low-discrepancy sequence, held against SciPy's."""

import warnings

import numpy as np
import pytest
from scipy.stats import qmc

from tuning.model.sobol import MAX_DIMENSIONS, sobol


@pytest.mark.parametrize("dimensions", range(1, MAX_DIMENSIONS + 1))
@pytest.mark.parametrize("count", [1, 2, 5, 512, 1_000])
def test_unshifted_it_is_scipys_sequence_point_by_point(count: int, dimensions: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # SciPy's, that 1,000 is no power of two
        expected = qmc.Sobol(dimensions, scramble=False).random(count)
    assert np.array_equal(sobol(count, dimensions), expected)


def test_shifted_it_keeps_its_balance_and_stays_inside() -> None:
    points = sobol(256, 4, seed="any")
    assert points.min() > 0
    assert points.max() < 1
    for column in points.T:
        assert np.array_equal(np.sort((column * 256).astype(int)), np.arange(256))


def test_shifted_every_point_has_the_same_bits_turned_over() -> None:
    plain, shifted = (np.floor(sobol(256, 4, seed=seed) * 2**30).astype(np.int64) for seed in (None, "any"))
    for column in (plain ^ shifted).T:
        assert len(set(column.tolist())) == 1


def test_the_seed_alone_decides_the_shift() -> None:
    assert np.array_equal(sobol(8, 3, seed="a"), sobol(8, 3, seed="a"))
    assert not np.array_equal(sobol(8, 3, seed="a"), sobol(8, 3, seed="b"))


@pytest.mark.parametrize(("count", "dimensions"), [(0, 1), (1, 0), (1, MAX_DIMENSIONS + 1), (2**30 + 1, 1)])
def test_what_it_has_no_numbers_for_is_refused(count: int, dimensions: int) -> None:
    with pytest.raises(ValueError, match=r"1 to \d+"):
        sobol(count, dimensions)
