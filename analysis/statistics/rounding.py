"""Tell a difference between values from the rounding error of floating-point numbers."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats

DIGITS = 12
"""Digits that count. Sums of a million float64 numbers agree in more."""


def rounded(values: ArrayLike, *, scale: float) -> Floats:
    """Round values so that those equal but for rounding errors become equal.

    Otherwise a constant feature, summed in another order for each seed, would rank the seeds by
    errors of 1e-16.

    Args:
        values: Any shape.
        scale: Magnitude of the numbers that the values were computed from, at least 0.

    Returns:
        The same shape, rounded to 12 digits of `scale`, but not to more than 12 decimals.

    Example:
        >>> rounded([0.3, 0.1 + 0.2, 0.4], scale=1.0).tolist()
        [0.3, 0.3, 0.4]
        >>> rounded([3e20, 4e20], scale=1e20).tolist()
        [3e+20, 4e+20]
    """
    digits = DIGITS - max(0, int(np.ceil(np.log10(scale)))) if scale > 0 else DIGITS
    return np.asarray(np.round(np.asarray(values, dtype=np.float64), digits))


def all_equal(values: ArrayLike) -> bool:
    """Whether values differ by no more than rounding errors.

    Example:
        >>> all_equal([0.3, 0.1 + 0.2]), all_equal([0.3, 0.30001])
        (True, False)
    """
    x = np.asarray(values, dtype=np.float64)
    return bool(np.ptp(x) <= 10.0**-DIGITS * max(1.0, float(np.abs(x).max())))
