"""Compute the correlation of two metrics over the same seeds, from their values or ranks."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.kernels import finite_vector


def pearson(first: Floats, second: Floats) -> float:
    """Compute the product-moment correlation; 0 if one side does not vary.

    Example:
        >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
        1.0
    """
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / scale, -1, 1)) if scale > 0 else 0.0


def midranks(values: ArrayLike) -> Floats:
    """Rank values from 1; equal values share the mean of their ranks.

    Example:
        >>> midranks([5.0, 1.0, 5.0])
        array([2.5, 1. , 2.5])
    """
    return np.asarray(stats.rankdata(finite_vector(values), method="average"), dtype=np.float64)


def rank_correlation(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Interval:
    """Compute Spearman's rank correlation with mid-ranks.

    Args:
        first: Shape (S,), the metric of each seed.
        second: Shape (S,), another metric, or the same one on other prompts.
        level: Confidence, in (0, 1).

    Returns:
        The correlation, 0 if one side does not vary, and its interval, computed on Fisher's z
        scale; the interval is [-1, 1] for fewer than 4 seeds. n is the number of seeds.

    Raises:
        ValueError: If the lengths differ or a value is not finite.

    Source:
        Bonett and Wright 2000, Psychometrika 65: standard error of z is
        sqrt((1 + r^2 / 2) / (n - 3)).

    Example:
        >>> rank_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]).value
        0.8
    """
    ranks, other_ranks = midranks(first), midranks(second)
    if len(ranks) != len(other_ranks):
        raise ValueError(
            f"{len(ranks)} and {len(other_ranks)} seeds; both sides need the same seeds"
        )
    r, n = pearson(ranks, other_ranks), len(ranks)
    method = f"Spearman with mid-ranks, Fisher z, {100 * level:g} %"
    return Interval(r, *fisher_bounds(r, n, level=level), n, method)


def fisher_bounds(r: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Compute the confidence bounds of the rank correlation r of n pairs; see `rank_correlation`.

    The bounds enclose r, also where r is 1 or -1.

    Example:
        >>> fisher_bounds(0.5, 3)
        (-1.0, 1.0)
    """
    if n < 4:
        return -1.0, 1.0
    half_width = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt((1 + r * r / 2) / (n - 3))
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    return min(r, float(np.tanh(z - half_width))), max(r, float(np.tanh(z + half_width)))
