"""Estimate how much of a metric's variance belongs to the seed, to the prompt, and to neither.

A cell of a grid is deterministic: the same seed and prompt always give the same image. There is
no measurement error, so the variance that neither seed nor prompt explains ("rest") is their
interaction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.leave_out import group_codes
from analysis.statistics.rare import too_few_events
from analysis.statistics.variance import balanced, pairs


@dataclass(frozen=True)
class VarianceShares:
    """Shares of a metric's variance over the cells of a grid; they sum to 1.

    Attributes:
        seed: Share of the seed: the effect that a seed has on every prompt alike.
        prompt: Share of the prompt: the effect that a prompt has on every seed alike.
        rest: Share of the seed x prompt interaction; cells are deterministic, so there is no
            measurement error in it.
    """

    seed: Interval
    prompt: Interval
    rest: Interval


def variance_shares(
    values: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> VarianceShares:
    """Estimate the variance shares of a two-way random-effects model without replication.

    A full grid of independent prompts gets the analysis-of-variance estimators with F intervals.
    A grid with grouped prompts or missing cells gets the same estimators computed from pairs of
    cells, with a two-way jackknife over seeds and prompt groups. The seed's share then uses only
    pairs of prompts from different groups, so that an effect which a seed has on one object only
    counts as rest, not as seed. Negative estimates are kept: clipping would turn "no effect"
    into a small effect.

    Args:
        values: Shape (S, P), S >= 3 and P >= 3. NaN marks a missing cell.
        groups: Shape (P,), the group of each prompt; None if all are independent.
        level: Confidence, in (0, 1).

    Returns:
        The three shares; n is the number of cells. If there are too few events for an interval
        (`too_few_events`), or seed and prompt explain every value of a full grid, low and high
        are NaN and `method` says why.

    Raises:
        ValueError: If the grid is too small, holds an infinite value, or does not vary.

    Source:
        F intervals: McGraw and Wong 1996, "Forming inferences about some intraclass
        correlation coefficients", Psychological Methods 1, table 7, ICC(A,1). Two-way
        jackknife: the variance over seeds plus the variance over groups. Owen 2007, "The
        pigeonhole bootstrap", arXiv:0712.1111, shows that this sum counts the variance of the
        interaction twice, so the interval is conservative: in simulation it covers 94 to 96 %,
        and 97 to 99 % if the share is near 0.

    Example:
        >>> shares = variance_shares([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.5]])
        >>> round(shares.seed.value, 3), shares.seed.n
        (0.686, 9)
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 2 or min(y.shape) < 3 or np.isinf(y).any():
        raise ValueError(f"values have shape {y.shape}; (S >= 3, P >= 3), finite or NaN, is needed")
    if np.isnan(y).all():
        raise ValueError("no cell has a value; there is no variance to share")
    codes = np.arange(y.shape[1]) if groups is None else group_codes(groups, y.shape[1])
    y = y - np.nanmean(y)
    if not np.nanmax(np.abs(y)) > 0:
        raise ValueError("values do not vary; there is no variance to share")
    grouped = bool(np.isnan(y).any() or np.bincount(codes).max() > 1)
    if reason := too_few_events(values) or ("" if grouped else balanced.no_rest(y)):
        return VarianceShares(*pairs.without_bounds(y, codes, reason))
    if grouped:
        return VarianceShares(*pairs.jackknife_shares(y, codes, level))
    return VarianceShares(*balanced.shares(y, level))


def seed_share_null(
    values: ArrayLike,
    groups: ArrayLike | None,
    rng: np.random.Generator,
    *,
    draws: int,
) -> Floats:
    """Draw the seed's share under the null "no seed effect".

    Each draw permutes which seed owns which images, independently in each prompt group and alike
    for all prompts of a group; see `analysis.statistics.owners`.

    Args:
        values: Shape (S, P), as for `variance_shares`.
        groups: Shape (P,), the group of each prompt; None if all are independent.
        rng: Draws the permutations.
        draws: Number of permutations.

    Returns:
        Shape (draws,): the estimate of `variance_shares` for each permutation.

    Example:
        >>> null = seed_share_null(np.arange(12.0).reshape(3, 4), None, np.random.default_rng(0),
        ...                        draws=50)
        >>> null.shape, bool(abs(null.mean()) < 0.2)
        ((50,), True)
    """
    y = np.asarray(values, dtype=np.float64)
    codes = np.arange(y.shape[1]) if groups is None else group_codes(groups, y.shape[1])
    return pairs.seed_share_null(y - np.nanmean(y), codes, rng, draws)


def seed_share(values: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Estimate the seed's share as `variance_shares` does, without an interval.

    Resampling methods recompute it for each draw.

    Args:
        values: Shape (S, P), as for `variance_shares`.
        groups: Shape (P,), the group of each prompt; None if all are independent.

    Example:
        >>> round(seed_share([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.5]]), 3)
        0.686
    """
    y = np.asarray(values, dtype=np.float64)
    codes = np.arange(y.shape[1]) if groups is None else group_codes(groups, y.shape[1])
    y = y - np.nanmean(y)
    if np.isnan(y).any() or np.bincount(codes).max() > 1:
        return pairs.seed_share(y, codes)
    return balanced.seed_share(y)
