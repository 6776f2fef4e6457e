"""Estimate means over a full grid whose seeds and prompts are both samples."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.intervals import grouped_error
from analysis.statistics.proportions import effective_n, effective_words, wilson_bounds


def crossed_mean_interval(values: ArrayLike, groups: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval of the mean over seeds and prompts that generalises over both.

    The variance is the variance over seeds plus the variance over prompt groups. The variance of
    their interaction is counted twice, so the interval is conservative. If all prompts are in one
    group, they count as fixed: the interval then generalises over seeds only, and its method says
    so.

    Args:
        values: Shape (S, P), S >= 2, finite.
        groups: Shape (P,), the group of each prompt.
        level: Confidence, in (0, 1).

    Returns:
        The mean with a t interval, with the smaller of the two degrees of freedom; n is the number
        of cells.

    Raises:
        ValueError: If there are fewer than two seeds, or a value is not finite.

    Source:
        Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111, section 3.

    Example:
        >>> interval = crossed_mean_interval([[0.0, 1.0], [2.0, 3.0]], [0, 1])
        >>> interval.value, interval.method
        (1.5, 'over 2 seeds and 2 prompt groups, 95 %')
    """
    mean, error, freedom, over = _crossed_error(values, groups)
    n = np.size(values)
    return t_interval(mean, error, freedom=freedom, n=n, method=over, level=level)


def crossed_share_interval(
    values: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Wilson interval of a share over seeds and prompts that generalises over both.

    The standard error of `crossed_mean_interval` gives the effective sample size
    p (1 - p) / error^2 of Wilson's interval; a symmetric interval of a rare event would reach below
    0. If all cells are 0, or all are 1, there is no error to use, and the effective sample size is
    the number of seeds or of prompt groups, whichever is smaller.

    Args:
        values: Shape (S, P), S >= 2, in [0, 1]; 0 or 1 for each image, or a share.
        groups: Shape (P,), the group of each prompt.
        level: Confidence, in (0, 1).

    Returns:
        The share with its interval within [0, 1]; n is the number of cells. In simulation (1,000
        grids of 24 seeds and 24 prompts whose rates both vary) it covers 96 to 98 % for rates of
        2 to 30 %; Wilson's interval of independent images covers 60 to 84 % there.

    Raises:
        ValueError: If there are fewer than two seeds, or a value is not in [0, 1].

    Source:
        Owen 2007, as above; Dean and Pagano 2015, "Evaluating confidence interval methods for
        binomial proportions in clustered surveys", for Wilson's interval with an effective n.

    Example:
        >>> none = crossed_share_interval([[0, 0, 0], [0, 0, 0]], [0, 1, 2])
        >>> none.value, none.low, round(none.high, 3)
        (0.0, 0.0, 0.988)
    """
    mean, error, freedom, over = _crossed_error(values, groups)
    n = np.size(values)
    if np.min(values) < 0 or np.max(values) > 1:
        raise ValueError(f"values reach {np.min(values)} to {np.max(values)}; 0 to 1 is needed")
    size = effective_n(values, error, fallback=freedom + 1)
    low, high = wilson_bounds(mean, size, freedom=freedom, level=level)
    method = f"Wilson, {effective_words(size)}, {over}, {100 * level:g} %"
    return Interval(mean, low, high, n, method)


def _crossed_error(values: ArrayLike, groups: ArrayLike) -> tuple[float, float, int, str]:
    """The mean, its standard error and degrees of freedom, and what it generalises over."""
    y = np.asarray(values, dtype=np.float64)
    labels = np.asarray(groups)
    if y.ndim != 2 or len(y) < 2 or not np.isfinite(y).all():
        raise ValueError(f"values have shape {y.shape}; finite values, (S >= 2, P), are needed")
    error, freedom = grouped_error(y.mean(axis=1), np.arange(len(y)))
    count = len(np.unique(labels))
    if count == 1:
        return float(y.mean()), error, freedom, f"over {len(y)} seeds, prompts fixed"
    group_error, group_freedom = grouped_error(y.mean(axis=0), labels)
    total = float(np.hypot(error, group_error))
    over = f"over {len(y)} seeds and {count} prompt groups"
    return float(y.mean()), total, min(freedom, group_freedom), over
