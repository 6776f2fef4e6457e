"""How repeatable a ranking of seeds is, and which seeds it allows to be called golden."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.kernels import finite_vector
from analysis.statistics.leave_out import group_codes
from analysis.statistics.shrinkage import Shrunken, shrink

__all__ = [
    "Direction",
    "Reliability",
    "Shrunken",
    "fisher_bounds",
    "golden_by_expected_error",
    "midranks",
    "pearson",
    "rank_correlation",
    "shrink",
    "split_half",
    "top_quarter_probability",
    "top_with_ties",
]

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Reliability:
    """How far the seeds' means over these prompts would repeat on as many others.

    Attributes:
        half: Mean correlation of the two halves' per-seed means, over all splits.
        full: Reliability of the means over all prompts (Spearman-Brown), with an F interval.
        splits: Number of random splits.
    """

    half: float
    full: Interval
    splits: int


def split_half(
    values: ArrayLike,
    groups: ArrayLike,
    rng: np.random.Generator,
    *,
    splits: int = 100,
    level: float = 0.95,
) -> Reliability:
    """Split-half reliability of per-seed means, halves made of whole prompt groups.

    Only for means of per-image values: a Frechet distance changes with n in its own way, and
    Spearman-Brown does not hold for it. The value may be negative and is kept.

    Args:
        values: Shape (S, P), finite.
        groups: Shape (P,), the group of each prompt, at least 4 different ones.
        rng: Draws the splits.
        splits: Number of random splits.
        level: Confidence, in (0, 1).

    Returns:
        The reliability; n is the number of prompts. The interval is exact for independent
        groups of equal size. Unequal groups weigh as their prompts do, and it is approximate: in
        simulation it covers 92 to 98 % where seeds suit groups unequally, less where only
        prompts differ and one group holds most of them. It is made from mean squares: where
        groups differ in variance the value, from correlations, can lie some thousandths above it.
        Bounds outside [-1, 1] are not clipped.

    Raises:
        ValueError: If there are too few seeds or groups, or a value is missing.

    Source:
        Spearman 1910 and Brown 1910; F interval: Feldt 1965, Psychometrika 30, with groups
        in the place of test items.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> effect = np.arange(8.0)[:, None] + rng.normal(size=(8, 6))
        >>> split_half(effect, range(6), rng).full.value > 0.9
        True
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 2 or len(y) < 3 or not np.isfinite(y).all():
        raise ValueError(f"values have shape {y.shape}; finite values, (S >= 3, P), are needed")
    codes = group_codes(groups, y.shape[1])
    count = int(codes.max()) + 1
    if count < 4:
        raise ValueError(f"prompts fall into {count} groups; halves need at least 4")
    member = np.eye(count)[codes]
    sums, sizes = y @ member, member.sum(axis=0)
    order = rng.permuted(np.tile(np.arange(count), (splits, 1)), axis=1)
    half = float(np.mean([_half_correlation(sums, sizes, row) for row in order]))
    low, high = _feldt(sums / sizes, sizes / sizes.sum(), level)
    method = f"split-half over {count} groups, Spearman-Brown, F interval, {100 * level:g} %"
    full = Interval(2 * half / (1 + half), low, high, y.shape[1], method)
    return Reliability(half, full, splits)


def _half_correlation(sums: Floats, sizes: Floats, order: NDArray[np.intp]) -> float:
    """Correlation of the per-seed means of the first and the second half of the groups."""
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    first, second = (sums[:, part].sum(axis=1) / sizes[part].sum() for part in halves)
    return pearson(first, second)


def _feldt(means: Floats, weights: Floats, level: float) -> tuple[float, float]:
    """Interval of 1 - error variance / variance of the seeds' weighted means over groups.

    Each group's own variance is that of its rest, unbiased for unequal variances; the freedom is
    Satterthwaite's. With equal weights the ratio is MS_rest / MS_seeds of the table of means.
    """
    seeds, groups = means.shape
    own = means @ weights
    if np.ptp(own) == 0:
        return -np.inf, 1.0
    rest = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    squares = (rest**2).sum(axis=0) / (seeds - 1)
    shared = squares.sum() / (groups * (groups - 1))
    variances = np.maximum((squares - shared) / (1 - 2 / groups), 0.0)
    error = variances @ weights**2
    freedom = (seeds - 1) * (groups - 1) / groups / (weights**4).sum() * (weights**2).sum() ** 2
    tails = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], seeds - 1, freedom)
    low, high = 1 - error / own.var(ddof=1) * tails
    return float(low), float(high)


def pearson(first: Floats, second: Floats) -> float:
    """Product-moment correlation; 0 where one side does not vary.

    Example:
        >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
        1.0
    """
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / scale, -1, 1)) if scale > 0 else 0.0


def midranks(values: ArrayLike) -> Floats:
    """Ranks from 1, equal values sharing the mean of their ranks.

    Example:
        >>> midranks([5.0, 1.0, 5.0])
        array([2.5, 1. , 2.5])
    """
    return np.asarray(stats.rankdata(finite_vector(values), method="average"), dtype=np.float64)


def rank_correlation(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Interval:
    """Spearman's rank correlation with mid-ranks.

    Args:
        first: Shape (S,), the metric of each seed.
        second: Shape (S,), another metric, or the same one on other prompts.
        level: Confidence, in (0, 1).

    Returns:
        The correlation, 0 where one side does not vary, with an interval on Fisher's z scale;
        [-1, 1] for fewer than 4 seeds. n is the number of seeds.

    Raises:
        ValueError: If the lengths differ or a value is not finite.

    Source:
        Bonett and Wright 2000, Psychometrika 65: standard error of z is
        sqrt((1 + r^2 / 2) / (n - 3)).

    Example:
        >>> rank_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0]).value
        0.8
    """
    a, b = midranks(first), midranks(second)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} seeds; a correlation needs the same ones")
    r, n = pearson(a, b), len(a)
    method = f"Spearman with mid-ranks, Fisher z, {100 * level:g} %"
    return Interval(r, *fisher_bounds(r, n, level=level), n, method)


def fisher_bounds(r: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a rank correlation of n pairs on Fisher's z scale; see `rank_correlation`.

    Example:
        >>> fisher_bounds(0.5, 3)
        (-1.0, 1.0)
    """
    if n < 4:
        return -1.0, 1.0
    half = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt((1 + r * r / 2) / (n - 3))
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    return float(np.tanh(z - half)), float(np.tanh(z + half))


def top_quarter_probability(
    mean: ArrayLike,
    sd: ArrayLike,
    rng: np.random.Generator,
    *,
    direction: Direction = "higher",
    share: float = 0.25,
    draws: int = 4000,
) -> Floats:
    """Posterior probability of every seed to belong to the true top quarter.

    Args:
        mean: Shape (S,), posterior means.
        sd: Shape (S,), posterior standard deviations, at least 0.
        rng: Draws the true effects.
        direction: Which end is the top.
        share: The part of the seeds that is the top, in (0, 1]; at least one seed.
        draws: Number of draws; the Monte Carlo error is at most 0.5 / sqrt(draws).

    Returns:
        Shape (S,), in [0, 1]; they sum to the number of seeds in the top. Seeds that tie in
        a draw share the places left among them.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> top_quarter_probability([9.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1], rng)
        array([1., 0., 0., 0.])
    """
    centre, width = finite_vector(mean), finite_vector(sd)
    if len(centre) != len(width) or width.min() < 0:
        raise ValueError(f"{len(centre)} means, {len(width)} sds; as many, none negative")
    m = max(1, round(share * len(centre)))
    sign = 1.0 if direction == "higher" else -1.0
    total = np.zeros(len(centre))
    for start in range(0, draws, 500):
        rows = min(500, draws - start)
        drawn = sign * (centre + width * rng.standard_normal((rows, len(centre))))
        cut = np.partition(drawn, len(centre) - m, axis=1)[:, [len(centre) - m]]
        above, level = drawn > cut, drawn == cut
        places = (m - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
        total += (above + level * places).sum(axis=0)
    return total / draws


def golden_by_expected_error(probabilities: ArrayLike, *, limit: float = 0.10) -> NDArray[np.intp]:
    """The longest list whose expected share of wrong members is at most `limit`.

    Args:
        probabilities: Shape (S,), of belonging to the true top quarter, in [0, 1].
        limit: Largest expected error, in [0, 1].

    Returns:
        Indices of the golden seeds, the most probable first; possibly none, which is a valid
        result. Seeds of equal probability are listed together or not at all.

    Example:
        >>> golden_by_expected_error([0.5, 0.99, 0.85, 0.1])
        array([1, 2])
    """
    p = finite_vector(probabilities)
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ValueError(f"probabilities reach from {p.min()} to {p.max()}; [0, 1] is needed")
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    error = np.cumsum(1 - ranked) / np.arange(1, p.size + 1)
    whole = np.append(ranked[1:] < ranked[:-1], True)[: p.size]
    fits = np.flatnonzero((error <= limit + 1e-12) & whole)
    return np.asarray(order[: fits[-1] + 1 if fits.size else 0])


def top_with_ties(values: ArrayLike, m: int, *, direction: Direction) -> NDArray[np.intp]:
    """The best m seeds, and all that tie with the last of them.

    Args:
        values: Shape (S,).
        m: How many are wanted, 1 .. S.
        direction: Which end is the top.

    Returns:
        Indices, best first, equal values in order of index. A tie at the boundary is listed
        whole, so there may be more than m; it is never broken by the seed's number.

    Example:
        >>> top_with_ties([3.0, 1.0, 3.0, 2.0], 1, direction="higher")
        array([0, 2])
    """
    x = finite_vector(values) if direction == "higher" else -finite_vector(values)
    if not 1 <= m <= len(x):
        raise ValueError(f"m is {m}; 1 .. {len(x)} is needed")
    order = np.argsort(-x, kind="stable")
    return np.asarray(order[x[order] >= x[order[m - 1]]])
