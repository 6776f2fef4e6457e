"""Estimate variance shares of a full grid of independent prompts by analysis of variance."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.monte_carlo import ROUNDING


def seed_share(y: Floats) -> float:
    """Estimate the seed's share of a grid of shape (S, P)."""
    s, p = y.shape
    seeds, prompts, rest = mean_squares(y)
    total = (seeds - rest) / p + (prompts - rest) / s + rest
    return float((seeds - rest) / p / total) if total else np.nan


def mean_squares(values: ArrayLike) -> tuple[float, float, float]:
    """Compute the mean squares of seeds, prompts and rest of a full (S, P) grid.

    Example:
        >>> mean_squares([[0.0, 1.0], [2.0, 3.0]])
        (4.0, 1.0, 0.0)
    """
    y = np.asarray(values, dtype=np.float64)
    s, p = y.shape
    seeds, prompts = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True)
    rest = y - seeds - prompts + y.mean()
    of_seeds = p * float(((seeds - y.mean()) ** 2).sum()) / (s - 1)
    of_prompts = s * float(((prompts - y.mean()) ** 2).sum()) / (p - 1)
    return of_seeds, of_prompts, float((rest**2).sum()) / ((s - 1) * (p - 1))


def no_rest(y: Floats) -> str:
    """Say why a grid without any interaction has no F intervals; empty if it has some.

    The F intervals compare with the mean square of the rest.

    Example:
        >>> no_rest(np.array([[0.0, 1.0, 2.0]] * 3))
        'no interval: seed and prompt explain every value'
        >>> no_rest(np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 3.0]]))
        ''
    """
    seeds, prompts, rest = mean_squares(y)
    alike = rest <= ROUNDING**2 * max(seeds, prompts)
    return "no interval: seed and prompt explain every value" if alike else ""


def shares(y: Floats, level: float) -> tuple[Interval, Interval, Interval]:
    """Estimate the shares of seed, prompt and rest of a grid of shape (S, P), with F intervals."""
    s, p = y.shape
    seeds, prompts, rest = mean_squares(y)
    method = f"F interval, two-way random model, {100 * level:g} %"
    total = (seeds - rest) / p + (prompts - rest) / s + rest
    bounds = (
        (seeds - rest) / p / total,
        *_factor_bounds(seeds, prompts, rest, shape=(s, p), level=level),
        (prompts - rest) / s / total,
        *_factor_bounds(prompts, seeds, rest, shape=(p, s), level=level),
        rest / total,
        *_rest_bounds(seeds, prompts, rest, shape=(s, p), level=level),
    )
    return (
        Interval(*bounds[0:3], n=y.size, method=method),
        Interval(*bounds[3:6], n=y.size, method=method),
        Interval(*bounds[6:9], n=y.size, method=method),
    )


def _factor_bounds(
    own: float, other: float, rest: float, *, shape: tuple[int, int], level: float
) -> tuple[float, float]:
    """Compute bounds of the share of the factor with mean square `own` and shape[0] levels."""
    n, k = shape
    share = (own - rest) / (own + (k - 1) * rest + k / n * (other - rest))
    a = k * share / (n * (1 - share))
    b = 1 + k * share * (n - 1) / (n * (1 - share))
    freedom = (a * other + b * rest) ** 2 / (
        (a * other) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1))
    )
    tail = (1 + level) / 2
    f_low, f_high = stats.f.ppf(tail, n - 1, freedom), stats.f.ppf(tail, freedom, n - 1)
    mixed = k * other + (k * n - k - n) * rest
    low = n * (own - f_low * rest) / (f_low * mixed + n * own)
    high = n * (f_high * own - rest) / (mixed + n * f_high * own)
    return float(low), float(high)


def _rest_bounds(
    seeds: float, prompts: float, rest: float, *, shape: tuple[int, int], level: float
) -> tuple[float, float]:
    """Compute bounds of the rest's share, 1 / (1 - 1/S - 1/P + q).

    q is a ratio of mean squares. Its numerator is seeds / P + prompts / S, with Satterthwaite's
    degrees of freedom; its denominator is rest.
    """
    s, p = shape
    top = seeds / p + prompts / s
    freedom = top**2 / ((seeds / p) ** 2 / (s - 1) + (prompts / s) ** 2 / (p - 1))
    of_rest, tail = (s - 1) * (p - 1), (1 + level) / 2
    fixed = 1 - 1 / s - 1 / p
    low = 1 / (fixed + top / rest * stats.f.ppf(tail, of_rest, freedom))
    high = 1 / (fixed + top / rest / stats.f.ppf(tail, freedom, of_rest))
    return float(low), float(high)
