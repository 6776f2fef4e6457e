"""Intervals of shares whose observations are dependent in two ways at once, as votes are."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.bounds import Interval
from analysis.statistics.leave_out import group_codes
from analysis.statistics.proportions import effective_n, effective_words, wilson_bounds


def two_way_share_interval(
    values: ArrayLike, rows: ArrayLike, columns: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Wilson interval of a share that generalises to new rows and to new columns.

    With one row (a single rater), or one column, only the other way is resampled, and the interval
    generalises that way only, as its `method` says.

    Args:
        values: Shape (n,), in [0, 1].
        rows: Shape (n,), for example the rater of each vote.
        columns: Shape (n,), for example the prompt group of each vote.
        level: Confidence, in (0, 1).

    Returns:
        The share with its interval within [0, 1]. Student's t has as many degrees of freedom as the
        smaller number of clusters allows.

    Raises:
        ValueError: If there are fewer than two rows and fewer than two columns.

    Source:
        Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", Journal of
        Business and Economic Statistics 29(2); where their variance is below that of one way, the
        larger of the two ways is used, as they advise. Wilson's interval with an effective n is
        that of `grouped_share_interval`.

    Example:
        >>> share = two_way_share_interval([1, 1, 0, 1], ["a", "a", "b", "b"], [0, 1, 0, 1])
        >>> share.value, share.method
        (0.75, 'Wilson, effective n 3, 2 rows and 2 columns, 95 %')
    """
    x = np.asarray(values, dtype=np.float64)
    error, freedom, words = two_way_error(x, rows, columns)
    share = float(x.mean())
    size = effective_n(x, error, fallback=freedom + 1)
    low, high = wilson_bounds(share, size, freedom=freedom, level=level)
    method = f"Wilson, {effective_words(size)}, {words}, {100 * level:g} %"
    return Interval(share, low, high, len(x), method)


def two_way_error(values: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> tuple[float, int, str]:
    """Standard error of a mean with two-way clusters, its degrees of freedom, and the clusters.

    Args:
        values: Shape (n,).
        rows: Shape (n,), the cluster of each value in the first way.
        columns: Shape (n,), in the second way.

    Raises:
        ValueError: If there are fewer than two rows and fewer than two columns.
    """
    x = np.asarray(values, dtype=np.float64)
    first, second = group_codes(rows, len(x)), group_codes(columns, len(x))
    counts = [int(codes.max()) + 1 for codes in (first, second)]
    ways = [_variance(x, codes) for codes in (first, second) if codes.max() > 0]
    if not ways:
        raise ValueError("all values are of one row and one column; 2 of either are needed")
    words = f"{counts[0]} rows and {counts[1]} columns"
    if len(ways) == 1:
        return float(np.sqrt(ways[0])), max(counts) - 1, words
    both = group_codes(first * counts[1] + second, len(x))
    variance = max(sum(ways) - _variance(x, both), *ways)
    return float(np.sqrt(variance)), min(counts) - 1, words


def _variance(x: np.ndarray, codes: np.ndarray) -> float:
    """Cluster-robust variance of the mean."""
    count = int(codes.max()) + 1
    sums = np.bincount(codes, weights=x - x.mean())
    return float(count / max(count - 1, 1) * (sums**2).sum()) / len(x) ** 2
