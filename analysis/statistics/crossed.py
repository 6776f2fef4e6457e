"""Means over a full grid of seeds and prompts, of which both are samples."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.intervals import grouped_error
from analysis.statistics.proportions import effective_n, effective_words, wilson_bounds


def crossed_mean_interval(values: ArrayLike, groups: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval of the mean over seeds and prompts, for other seeds and other prompts.

    The variance is that over seeds plus that over prompt groups; what both share is counted
    twice, so the interval errs on the wide side. Where all prompts are of one group they count
    as fixed: the interval is then for other seeds only, and says so.

    Args:
        values: Shape (S, P), S >= 2, finite.
        groups: Shape (P,), the group of each prompt.
        level: Confidence, in (0, 1).

    Returns:
        The mean; n is the number of cells, t with the smaller of both degrees of freedom.

    Raises:
        ValueError: If there are fewer than two seeds, or a value is not finite.

    Source:
        Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111, section 3.

    Example:
        >>> found = crossed_mean_interval([[0.0, 1.0], [2.0, 3.0]], [0, 1])
        >>> found.value, found.method
        (1.5, 'over 2 seeds and 2 prompt groups, 95 %')
    """
    mean, error, freedom, over = _crossed_error(values, groups)
    n = np.size(values)
    return t_interval(mean, error, freedom=freedom, n=n, method=over, level=level)


def crossed_share_interval(
    values: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Interval of a share over seeds and prompts, for other seeds and other prompts, in 0..1.

    `crossed_mean_interval`'s error, made into Wilson's bounds: the share is known as well as by
    p (1 - p) / error^2 independent images. The symmetric interval of a rare event reaches below
    0. Where all cells are 0, or all 1, there is no error to go by, and the smaller of the numbers
    of seeds and of prompt groups stands for that of the images.

    Args:
        values: Shape (S, P), S >= 2, in 0..1; 0 or 1 for each image, or its share.
        groups: Shape (P,), the group of each prompt.
        level: Confidence, in (0, 1).

    Returns:
        The share; n is the number of cells. In simulation, 1,000 grids of 24 seeds and 24 prompts
        whose rates both vary, it covers 96 to 98 % for rates of 2 to 30 %; Wilson's interval of
        independent images covers 60 to 84 % there.

    Raises:
        ValueError: If there are fewer than two seeds, or a value is not in 0..1.

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
    worth = effective_n(values, error, fallback=freedom + 1)
    low, high = wilson_bounds(mean, worth, freedom=freedom, level=level)
    method = f"Wilson, {effective_words(worth)}, {over}, {100 * level:g} %"
    return Interval(mean, low, high, n, method)


def _crossed_error(values: ArrayLike, groups: ArrayLike) -> tuple[float, float, int, str]:
    """The mean, its standard error, its degrees of freedom, and over what, in words."""
    y = np.asarray(values, dtype=np.float64)
    labels = np.asarray(groups)
    if y.ndim != 2 or len(y) < 2 or not np.isfinite(y).all():
        raise ValueError(f"values have shape {y.shape}; finite values, (S >= 2, P), are needed")
    error, freedom = grouped_error(y.mean(axis=1), np.arange(len(y)))
    count = len(np.unique(labels))
    if count == 1:
        return float(y.mean()), error, freedom, f"over {len(y)} seeds, prompts fixed"
    of_groups, other = grouped_error(y.mean(axis=0), labels)
    both = float(np.hypot(error, of_groups))
    over = f"over {len(y)} seeds and {count} prompt groups"
    return float(y.mean()), both, min(freedom, other), over
