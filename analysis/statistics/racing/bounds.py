"""Compute the errors and intervals of seeds whose units come in dependent bundles."""

import numpy as np
from scipy import stats

from analysis.statistics.arrays import Flags, Floats, Indices


def bundle_sums(deviations: Floats, bundles: Indices) -> tuple[Floats, Indices]:
    """Sum and number of each seed's units in each bundle, both of shape (S, B)."""
    drawn = np.isfinite(deviations)
    inside = (bundles[:, None] == np.unique(bundles)).astype(np.intp)
    return np.where(drawn, deviations, 0.0) @ inside, drawn @ inside


def squared_errors(deviations: Floats, sums: Floats, counts: Indices) -> Floats:
    """Squared standard errors of the seeds' means over units, clustered by bundle, shape (S,).

    Seeds with the same number of units share the mean of their errors, because the error of a
    single seed is noisy. If all units of a seed are in one bundle, they are taken as independent.
    """
    count, seen = counts.sum(axis=1), (counts > 0).sum(axis=1)
    centred = sums - np.nanmean(deviations, axis=1)[:, None] * counts
    by_bundles = (centred**2).sum(axis=1) * seen / np.maximum(seen - 1, 1) / count**2
    by_units = np.nanvar(deviations, axis=1, ddof=1) / count
    squared = np.where(seen > 1, by_bundles, by_units)
    _, kind = np.unique(count, return_inverse=True)
    return np.asarray((np.bincount(kind, squared) / np.bincount(kind))[kind])


def bundle_interval(sums: Floats, counts: Indices, level: float) -> tuple[Floats, Floats]:
    """Compute each seed's t interval from bundle means; infinite with fewer than two bundles."""
    seen = (counts > 0).sum(axis=1)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    centre = np.nanmean(means, axis=1)
    squares = np.nansum((means - centre[:, None]) ** 2, axis=1)
    freedom = np.maximum(seen - 1, 1)
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(squares / freedom / seen)
    half = np.where(seen > 1, half, np.inf)
    return centre - half, centre + half


def certainly_top(low: Floats, high: Floats, top: int) -> Flags:
    """Find the seeds that are surely among the best `top`: fewer than `top` others may be better.

    Example:
        >>> certainly_top(np.array([5.0, 1.0, 0.0]), np.array([6.0, 4.0, 3.0]), 1)
        array([ True, False, False])
    """
    ends = np.sort(high)
    above = len(high) - np.searchsorted(ends, low, side="left")
    return np.asarray(above - (high >= low) < top)
