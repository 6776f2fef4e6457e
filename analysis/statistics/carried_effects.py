"""Estimate how much of what a seed does for some prompts it does for other prompts as well."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.bounds import Interval
from analysis.statistics.leave_out import group_codes


@dataclass(frozen=True)
class CarriedEffects:
    """How far the effects of seeds in one category of prompts hold in the others.

    Attributes:
        share: Covariance of seeds between categories, as a share of that within categories: 1 if
            a seed does the same in all of them, 0 if it does something of its own in each.
        within: Covariance of the seeds' values between different prompts of a category.
        between: The same between prompts of different categories.
        null_high: 95th percentile of `within - between` with the categories dealt out at random.
        p: (b + 1) / (B + 1), where b of B such draws have at least as large a difference.
        draws: B.
    """

    share: Interval
    within: float
    between: float
    null_high: float
    p: float
    draws: int


def carried_effects(
    values: ArrayLike,
    categories: ArrayLike,
    units: ArrayLike,
    rng: np.random.Generator,
    *,
    source: str | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> CarriedEffects:
    """Estimate the share of the seeds' effects that is common to categories of prompts.

    Two prompts share what a seed does to all prompts, and two prompts of one category share, in
    addition, what it does to this category. So the covariance over seeds between prompts of
    different categories, divided by that between prompts of one category, is the share of a seed's
    advantage in one category that shows in another. Pairs of prompts of one unit are left out:
    they also share what a seed does to that unit alone.

    Args:
        values: Shape (S, P), finite; S >= 3.
        categories: Shape (P,), the category of each prompt; at least 2 different ones.
        units: Shape (P,), what prompts are dependent by, for example the prompt group. A unit
            inside a category must not be the whole category.
        rng: Permutes the categories.
        source: The category whose advantage is carried over; None for all.
        draws: Permutations of the null.
        level: Confidence, in (0, 1).

    Returns:
        The share; n is the number of prompts. Its interval is a jackknife over seeds and units,
        which counts the variance of their interaction twice, so it is rather too wide. The share
        is not clipped; its value and bounds are NaN if `within` is not above 0. The null deals the
        categories out to units at random: then no category has an effect of its own.

    Raises:
        ValueError: If there are too few seeds, categories or pairs.

    Source:
        The ratio is the genetic correlation of quantitative genetics (Falconer and Mackay 1996,
        chapter 19) with categories in place of environments. Two-way jackknife: see
        `variance_shares`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> seed = rng.normal(size=(40, 1))
        >>> y = seed + 0.1 * rng.normal(size=(40, 12))
        >>> shared = carried_effects(y, ["cat", "dog"] * 6, range(12), rng, draws=99)
        >>> round(shared.share.value, 1), shared.p > 0.05
        (1.0, True)
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 2 or len(y) < 3 or not np.isfinite(y).all():
        raise ValueError(f"values have shape {y.shape}; finite values, (S >= 3, P), are needed")
    names, labels = np.unique(np.asarray(categories, dtype=np.str_), return_inverse=True)
    of_unit = group_codes(units, y.shape[1])
    if len(names) < 2:
        raise ValueError(f"prompts are of {len(names)} category; at least 2 are needed")
    code = None if source is None else int(np.flatnonzero(names == source)[0])
    y = y - y.mean(axis=0)
    pairs = _Pairs(y.T @ y / (len(y) - 1), of_unit, code)
    masks = pairs.masks(labels)
    within, between = pairs.means(masks)
    if not np.isfinite([within, between]).all():
        raise ValueError("no category has two prompts that are independent of one another")
    null = _null(pairs, labels, rng, draws)
    difference = within - between
    count = int((null >= difference - 1e-12 * abs(difference)).sum())
    share = _interval(y, pairs, masks, level)
    high = float(np.percentile(null, 95))
    return CarriedEffects(share, within, between, high, (count + 1) / (draws + 1), draws)


@dataclass(frozen=True)
class _Pairs:
    """Covariances of pairs of prompts.

    Attributes:
        covariances: Over seeds, shape (P, P).
        units: Unit of each prompt, shape (P,).
        source: Code of the category that within-pairs are taken from; None for all.
    """

    covariances: Floats
    units: Indices
    source: int | None

    def masks(self, labels: Indices) -> Floats:
        """Mark pairs of one category, and of different ones, shape (2, P, P); no unit twice."""
        same = labels[:, None] == labels
        independent = self.units[:, None] != self.units
        within = same & independent
        if self.source is not None:
            within &= (labels == self.source)[:, None]
        return np.stack([within, ~same & independent]).astype(np.float64)

    def means(self, masks: Floats) -> tuple[float, float]:
        """Average the covariance of each kind of pair; NaN if there is no such pair."""
        sums, counts = (masks * self.covariances).sum(axis=(1, 2)), masks.sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            within, between = sums / counts
        return float(within), float(between)


def _null(pairs: _Pairs, labels: Indices, rng: np.random.Generator, draws: int) -> Floats:
    """Draw `within - between` with the categories dealt out at random, shape (draws,).

    Whole units are dealt out where each unit lies in one category, single prompts elsewhere.
    """
    first = np.unique(pairs.units, return_index=True)[1]
    whole = bool((labels[first][pairs.units] == labels).all())
    differences = np.empty(draws)
    for draw in range(draws):
        of_units = rng.permutation(labels[first])
        dealt = of_units[pairs.units] if whole else rng.permutation(labels)
        within, between = pairs.means(pairs.masks(dealt))
        differences[draw] = within - between
    return differences[np.isfinite(differences)]


def _interval(y: Floats, pairs: _Pairs, masks: Floats, level: float) -> Interval:
    """Estimate the share, with a two-way jackknife."""
    (within, between), n = pairs.means(masks), y.shape[1]
    if within <= 0:
        reason = "no share: seeds do not repeat within a category"
        return Interval(np.nan, np.nan, np.nan, n, reason)
    no_seed, no_unit = _without_seeds(y, pairs, masks), _without_units(pairs, masks)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(_spread(no_seed[1] / no_seed[0]) + _spread(no_unit[1] / no_unit[0]))
    count = no_unit.shape[1]
    half = float(stats.t.ppf((1 + level) / 2, min(len(y), count) - 1) * error)
    value = between / within
    method = f"two-way jackknife over {len(y)} seeds and {count} units, {100 * level:g} %"
    return Interval(value, value - half, value + half, n, method)


def _without_seeds(y: Floats, pairs: _Pairs, masks: Floats) -> Floats:
    """Compute both covariances without each seed, shape (2, S), from those of all seeds.

    Without seed i, S - 2 times a covariance is S - 1 times that of all, minus S / (S - 1) times
    the product of the deviations of seed i.
    """
    s = len(y)
    all_seeds = np.array(pairs.means(masks))[:, None]
    own = np.einsum("ip,kpq,iq->ki", y, masks, y, optimize=True)
    own /= masks.sum(axis=(1, 2))[:, None]
    return np.asarray(((s - 1) * all_seeds - s / (s - 1) * own) / (s - 2))


def _without_units(pairs: _Pairs, masks: Floats) -> Floats:
    """Compute both covariances without each unit, shape (2, U)."""
    left = []
    for values in (masks * pairs.covariances, masks):
        of_prompts = values.sum(axis=1) + values.sum(axis=2)
        of_units = np.stack([np.bincount(pairs.units, weights=row) for row in of_prompts])
        left.append(values.sum(axis=(1, 2))[:, None] - of_units)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(left[0] / left[1])


def _spread(shares: Floats) -> float:
    """Compute the jackknife variance of the share; NaN if it has no value without some part."""
    count = len(shares)
    return float((count - 1) / count * ((shares - shares.mean()) ** 2).sum())
