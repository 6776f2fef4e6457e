"""P-values from random draws of a null, with their Monte-Carlo error and their floor.

A p-value from draws is itself an estimate. With B draws its standard error is
sqrt(p (1 - p) / B), and it is never below 1 / (B + 1), its floor, however strong an effect is.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

ROUNDING = 1e-9
"""Values that differ by less than this part of their scale are equal: rounding made them differ."""


def p_value(null: ArrayLike, observed: float, *, scale: float | None = None) -> float:
    """One-sided p-value: how often the null gives at least the observed value.

    p = (b + 1) / (B + 1), where b of B draws are at least as large as the observed value. A draw
    that equals it but for rounding counts: a statistic that no permutation changes has p = 1.

    Args:
        null: Shape (B,), the statistic in draws of the null; large values are extreme.
        observed: The statistic.
        scale: Size of the numbers that the statistic is computed from, where it may be much
            smaller than they are, such as a share of 0; if None, the largest absolute value among
            the draws and the observed value.

    Returns:
        The p-value, 1 / (B + 1) .. 1.

    Source:
        Phipson and Smyth 2010, "Permutation p-values should never be zero".

    Example:
        >>> p_value([0.1, 0.2, 0.3], 0.1 + 0.2)
        0.5
        >>> p_value([1e-17, -1e-17, 0.0], 0.0, scale=1.0)
        1.0
    """
    draws = np.asarray(null, dtype=np.float64)
    largest = max(abs(observed), float(np.abs(draws).max(initial=0.0)))
    reached = draws >= observed - ROUNDING * (largest if scale is None else scale)
    return float((reached.sum() + 1) / (len(draws) + 1))


def p_error(p: float, draws: int) -> float:
    """Monte-Carlo standard error of a p-value from a number of draws.

    Example:
        >>> round(p_error(0.05, 2000), 4)
        0.0049
    """
    return math.sqrt(p * (1 - p) / draws)


def p_words(p: float, draws: int, *, brief: bool = False) -> str:
    """Return a p-value in words: with its Monte-Carlo error, or as the floor.

    Args:
        p: The p-value.
        draws: Number of draws behind it.
        brief: Leave out the number of draws, for a table that states it elsewhere.

    Example:
        >>> p_words(0.05, 2000), p_words(1 / 2001, 2000)
        ('p = 0.05 +- 0.005', 'p = 0.0005, the floor of 2,000 draws')
        >>> p_words(1.0, 200)
        'p = 1'
    """
    if p <= 1 / (draws + 1):
        return f"p = {p:.2g}, the floor" + ("" if brief else f" of {draws:,} draws")
    error = p_error(p, draws)
    return f"p = {p:.2g} +- {error:.1g}" if error else f"p = {p:.2g}"
