"""How far two rankings of the same seeds agree once the noise of both is taken off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval

LOST = 0.05
"""Share of the resampled ratios that may be missing before there is no interval."""


@dataclass(frozen=True)
class Carried:
    """How far the values of seeds carry over from one way of drawing to another.

    Attributes:
        cross: Mean of the rank correlations of one's set 1 with the other's set 2, and the other
            way round: no prompt stands on both sides.
        same: The same of equal sets. Where both drew the same prompts, it also holds what seed
            and prompt do together, so it is too high for other prompts.
        reliabilities: Rank correlation of the two sets, of either.
        corrected: `cross` over the root of the product of the reliabilities: what it would be
            with endless prompts. Not clipped; NaN where a reliability is not above 0.
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
    """Cross-set rank correlation of two ways of drawing, and corrected for both reliabilities.

    Args:
        first: Shape (2, S): values of the seeds on set 1 and set 2, drawn one way.
        second: Shape (2, S): the same seeds, drawn another way.
        rng: Resamples seeds.
        draws: Bootstrap draws.
        level: Confidence, in (0, 1).

    Returns:
        Percentile intervals over resampled seeds, the whole ratio computed anew in each draw, so
        that the uncertainty of the reliabilities is in it.

    Raises:
        ValueError: If the shapes differ, or there are fewer than 8 seeds.

    Source:
        Spearman 1904, "The proof and measurement of association between two things". It is exact
        for product-moment correlations; for ranks of normal values it errs by about 1 %.

    Example:
        >>> seeds = np.arange(20.0)
        >>> found = carried([seeds, seeds], [seeds, -seeds], np.random.default_rng(0), draws=50)
        >>> found.cross.value, [round(r, 6) for r in found.reliabilities]
        (0.0, [1.0, -1.0])
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or len(a) != 2 or a.shape[1] < 8:
        raise ValueError(f"values of shape {a.shape} and {b.shape}; (2, S >= 8) both is needed")
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
    """`Carried.cross` alone, without an interval; shapes as for `carried`."""
    values = np.concatenate([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    return float(_correlations(values[:, None])[0][0])


def _correlations(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Cross-set, same-set and within correlations of (4, B, S) values, each draw for itself."""
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
    good = (reliable > 0).all(axis=0)
    scale = np.sqrt(np.where(good, reliable.prod(axis=0), 1.0))
    return np.where(good, cross / scale, np.nan)


def _percentiles(values: Floats, n: int, method: str, level: float) -> Interval:
    """The first value with the percentiles of the others, if nearly all of them are there."""
    own, drawn = float(values[0]), values[1:]
    lost = float(np.isnan(drawn).mean())
    if lost > LOST or np.isnan(own):
        return Interval(own, np.nan, np.nan, n, f"{method}; none: {lost:.0%} have no reliability")
    low, high = np.nanpercentile(drawn, [50 * (1 - level), 50 * (1 + level)])
    return Interval(own, float(low), float(high), n, method)
