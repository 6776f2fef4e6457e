"""Correlate two rankings of the same seeds, corrected for the noise of both (attenuation)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval

LOST = 0.05
"""Largest share of resampled ratios that may be undefined; beyond it there is no interval."""


@dataclass(frozen=True)
class Carried:
    """How well the values of seeds carry over from one way of drawing to another.

    Attributes:
        cross: Rank correlation across prompt sets: the mean of two correlations, set 1 of the
            first way with set 2 of the second, and set 2 with set 1. No prompt is on both sides.
        same: Rank correlation within prompt sets, averaged over both sets. If both ways drew the
            same prompts, it includes the seed x prompt interaction, so it overestimates the
            agreement on other prompts.
        reliabilities: For each way of drawing, the rank correlation between its two sets.
        corrected: `cross` divided by the root of the product of the reliabilities: an estimate of
            the correlation with infinitely many prompts. Not clipped; NaN if a reliability is not
            above 0.
    """

    cross: Interval
    same: float
    reliabilities: tuple[float, float]
    corrected: Interval


def carried(
    first: ArrayLike,
    second: ArrayLike,
    rng: np.random.Generator,
    *,
    draws: int = 1000,
    level: float = 0.95,
) -> Carried:
    """Estimate the cross-set rank correlation of two ways of drawing, raw and corrected.

    Args:
        first: Shape (2, S): values of the seeds on set 1 and set 2, drawn one way.
        second: Shape (2, S): the same seeds, drawn another way.
        rng: Resamples seeds.
        draws: Number of bootstrap draws.
        level: Confidence, in (0, 1).

    Returns:
        Estimates with percentile bootstrap intervals over seeds. Each draw recomputes the whole
        ratio, so the interval includes the uncertainty of the reliabilities.

    Raises:
        ValueError: If the shapes differ, or there are fewer than 8 seeds.

    Source:
        Spearman 1904, "The proof and measurement of association between two things". The
        correction is exact for product-moment correlations; for ranks of normal values its error
        is about 1 %.

    Example:
        >>> seeds = np.arange(20.0)
        >>> result = carried([seeds, seeds], [seeds, -seeds], np.random.default_rng(0), draws=50)
        >>> result.cross.value, [round(r, 6) for r in result.reliabilities]
        (0.0, [1.0, -1.0])
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or len(a) != 2 or a.shape[1] < 8:
        raise ValueError(
            f"values have shapes {a.shape} and {b.shape}; both must be (2, S) with the same S >= 8"
        )
    n = a.shape[1]
    values = np.concatenate([a, b])
    picks = np.concatenate([np.arange(n)[None], rng.integers(n, size=(draws, n))])
    cross, same, reliable = _correlations(values[:, picks])
    ratio = _ratio(cross, reliable)
    how = f"bootstrap over {n} seeds, {draws:,} draws, {100 * level:g} %"
    return Carried(
        cross=_percentiles(cross, n, f"cross-set Spearman, {how}", level),
        same=float(same[0]),
        reliabilities=(float(reliable[0, 0]), float(reliable[1, 0])),
        corrected=_percentiles(ratio, n, f"over the root of both reliabilities, {how}", level),
    )


def cross_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Compute only `Carried.cross`, without an interval; shapes as for `carried`."""
    values = np.concatenate([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    return float(_correlations(values[:, None])[0][0])


def _correlations(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Correlations across sets, within sets and between the sets of a way, for each draw.

    Args:
        values: Shape (4, B, S): the two sets of the first way, then those of the second, for B
            draws of seeds.
    """
    ranks = stats.rankdata(values, axis=2)
    ranks -= ranks.mean(axis=2, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=2))
    a1, a2, b1, b2 = ranks / np.maximum(norms, 1e-12)[:, :, None]

    def between(x: Floats, y: Floats) -> Floats:
        return np.asarray((x * y).sum(axis=1))

    cross = (between(a1, b2) + between(a2, b1)) / 2
    same = (between(a1, b1) + between(a2, b2)) / 2
    return cross, same, np.stack([between(a1, a2), between(b1, b2)])


def _ratio(cross: Floats, reliable: Floats) -> Floats:
    defined = (reliable > 0).all(axis=0)
    scale = np.sqrt(np.where(defined, reliable.prod(axis=0), 1.0))
    return np.where(defined, cross / scale, np.nan)


def _percentiles(values: Floats, n: int, method: str, level: float) -> Interval:
    """Return the first value with percentiles of the others, if nearly all others are defined."""
    value, draws = float(values[0]), values[1:]
    lost = float(np.isnan(draws).mean())
    if lost > LOST or np.isnan(value):
        return Interval(value, np.nan, np.nan, n, f"{method}; none: {lost:.0%} have no reliability")
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Interval(value, float(low), float(high), n, method)
