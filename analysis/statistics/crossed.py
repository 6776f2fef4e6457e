"""Means over a full grid of seeds and prompts, of which both are samples."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.intervals import grouped_error


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
    y = np.asarray(values, dtype=np.float64)
    labels = np.asarray(groups)
    if y.ndim != 2 or len(y) < 2 or not np.isfinite(y).all():
        raise ValueError(f"values have shape {y.shape}; finite values, (S >= 2, P), are needed")
    error, freedom = grouped_error(y.mean(axis=1), np.arange(len(y)))
    count = len(np.unique(labels))
    method = f"over {len(y)} seeds, prompts fixed"
    if count > 1:
        of_groups, other = grouped_error(y.mean(axis=0), labels)
        error, freedom = float(np.hypot(error, of_groups)), min(freedom, other)
        method = f"over {len(y)} seeds and {count} prompt groups"
    return t_interval(float(y.mean()), error, freedom=freedom, n=y.size, method=method, level=level)
