"""Intervals of shares: how many images out of n, where prompts come in dependent groups."""

import numpy as np
import scipy
from numpy.typing import ArrayLike

from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import grouped_error

TINY = 1e-24
"""A variance below this is the rounding of values that do not differ."""


def grouped_share_interval(
    values: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Wilson interval of a share, for as many images as the groups are worth.

    A symmetric interval of a rare event reaches below 0, and has no width at all where the event
    never happened. Wilson's has neither fault, but takes images as independent. So n is divided
    by the design effect: the cluster-robust variance over that of independent images, at least 1.
    Where all values are 0, or all 1, there is no variance to compare, and each group counts as one
    image. Student's t with G - 1 degrees of freedom replaces the normal quantile.

    Args:
        values: Shape (n,), in 0..1; 0 or 1 for each image.
        groups: Shape (n,), the prompt group of each; at least two.
        level: Confidence, in (0, 1).

    Returns:
        The share with its interval, inside 0..1. In simulation, 2,000 draws of 40 groups of 10
        images whose rates within groups correlate at 0.25, it covers 94 to 96 % for rates of
        10 % and more and 93 % at 5 %; with 20 groups, 92 % at 10 %: rare events need groups.
        Wilson's interval of independent images covers 70 to 73 % there.

    Source:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference";
        with an effective n, the modified Wilson interval of Dean and Pagano 2015, "Evaluating
        confidence interval methods for binomial proportions in clustered surveys".

    Example:
        >>> none = grouped_share_interval([0, 0, 0, 0], [0, 1, 2, 3])
        >>> none.value, none.low, round(none.high, 3)
        (0.0, 0.0, 0.717)
    """
    x = np.asarray(values, dtype=np.float64)
    error, freedom = grouped_error(x, groups)
    share, n = float(x.mean()), len(x)
    worth = effective_n(x, error, fallback=freedom + 1)
    low, high = wilson_bounds(share, worth, freedom=freedom, level=level)
    method = f"Wilson, {effective_words(worth)}, {freedom + 1} groups, {100 * level:g} %"
    return Interval(share, low, high, n, method)


def effective_n(values: ArrayLike, error: float, *, fallback: int) -> float:
    """How many independent images of 0 or 1 would tell a share as well as these values do.

    Args:
        values: Any shape, in 0..1: 0 or 1 for each image, or a share of each.
        error: Standard error of their mean, by groups.
        fallback: What is taken where all values are 0, or all 1: there is no error to go by, and
            nothing tells shares from images of 0 or 1, so the wider answer is given.

    Returns:
        p (1 - p) over the squared error, which is taken to be at least that of independent
        values: for images of 0 or 1 no more than their number, for shares near one another more.

    Example:
        >>> effective_n([0, 1, 0, 1], 0.25, fallback=2), effective_n([0, 0], 0.0, fallback=2)
        (4.0, 2.0)
        >>> effective_n([0.5, 0.52, 0.48, 0.5], 0.01, fallback=2) > 1000
        True
    """
    x = np.asarray(values, dtype=np.float64)
    share = float(x.mean())
    variance = max(error**2, float(x.var()) / x.size)
    if share in (0.0, 1.0):
        return float(fallback)
    return share * (1 - share) / variance if variance > TINY else np.inf


def effective_words(worth: float) -> str:
    """An effective n in words."""
    return f"effective n {worth:.4g}" if np.isfinite(worth) else "values that do not differ"


def wilson_bounds(
    share: float, worth: float, *, freedom: int, level: float = 0.95
) -> tuple[float, float]:
    """Wilson's bounds of a share that is known as well as `worth` independent images tell it.

    Args:
        share: The share that was seen, in 0..1.
        worth: Effective number of images, above 0.
        freedom: Degrees of freedom of Student's t, which stands for the normal quantile.
        level: Confidence, in (0, 1).

    Returns:
        The lower and the upper bound, inside 0..1; the share lies between them.

    Example:
        >>> [round(bound, 3) for bound in wilson_bounds(0.0, 100, freedom=10**6)]
        [0.0, 0.037]
    """
    t2 = float(scipy.stats.t.ppf((1 + level) / 2, freedom)) ** 2 / worth
    middle = (share + t2 / 2) / (1 + t2)
    half = float(np.sqrt(t2 * (share * (1 - share) + t2 / 4))) / (1 + t2)
    return min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)
