"""Compare the seed's share of a measure's variance with its null, or after a change with before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.bounds import Interval, t_interval, two_sided_p
from analysis.statistics.leave_out import group_codes
from analysis.statistics.monte_carlo import p_error, p_value
from analysis.statistics.rare import too_few_events
from analysis.statistics.spectra import BLOCKS, crossed_errors
from analysis.statistics.variance import seed_share, seed_share_null


@dataclass(frozen=True)
class NullComparison:
    """How a seed share compares with shares under the null "no seed effect".

    Attributes:
        high: 97.5 % quantile of the shares of the permuted draws.
        p: One-sided p-value, see `analysis.statistics.monte_carlo.p_value`; 1 if no permutation
            changes the share, as for a measure with a single event.
        error: Monte-Carlo standard error of `p`.
    """

    high: float
    p: float
    error: float


def compare_with_null(
    share: float,
    values: ArrayLike,
    groups: ArrayLike | None,
    rng: np.random.Generator,
    *,
    draws: int,
) -> NullComparison:
    """Compare the seed's share with its distribution under the null "no seed effect".

    Args:
        share: The seed's share of `values`, as `variance_shares` estimates it.
        values: Shape (S, P), as for `variance_shares`.
        groups: Shape (P,), the group of each prompt; None if all are independent.
        rng: Draws the permutations.
        draws: Number of permutations.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> values = rng.normal(size=(8, 1)) + rng.normal(size=(8, 12))
        >>> compare_with_null(seed_share(values), values, None, rng, draws=99).p
        0.01
    """
    null = seed_share_null(values, groups, rng, draws=draws)
    p = p_value(null, share, scale=1.0)
    return NullComparison(float(np.percentile(null, 97.5)), p, p_error(p, draws))


def seed_share_change(
    before: ArrayLike, after: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> Interval:
    """Estimate the seed's share of a measure's variance after a change minus the share before it.

    Both grids hold the same seeds and prompts, so their sampling errors are correlated and the
    difference is known more precisely than either share. The interval comes from a two-way
    jackknife of the difference itself.

    Args:
        before: Shape (S, P), S >= 4 and P >= 4. NaN marks a missing cell.
        after: The same seeds and prompts, drawn with the change.
        groups: Shape (P,), the group of each prompt, at least four; None if all are independent.
        level: Confidence, in (0, 1).

    Returns:
        The difference, in [-1, 1] except for noise; n is the number of cells that both grids
        have. If there are too few events for an interval (`too_few_events`), low and high are NaN
        and `method` says why.

    Raises:
        ValueError: If the grids differ in shape, are too small, or do not vary.

    Source:
        Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111, section 3, as for
        `variance_shares`; in blocks, see `crossed_errors`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> seeds, rest = rng.normal(size=(12, 1)), rng.normal(size=(2, 12, 12))
        >>> change = seed_share_change(seeds + rest[0], rest[1])
        >>> change.low < change.value < change.high < 0.1, change.n
        (True, 144)
    """
    y = np.stack([np.asarray(before, np.float64), np.asarray(after, np.float64)])
    if y.ndim != 3 or min(y.shape[1:]) < 4 or np.isinf(y).any():
        raise ValueError(f"grids have shape {y.shape[1:]}; finite (S >= 4, P >= 4) is needed")
    codes = np.arange(y.shape[2]) if groups is None else group_codes(groups, y.shape[2])
    s, g = y.shape[1], int(codes.max()) + 1
    if g < 4:
        raise ValueError(f"prompts fall into {g} groups; at least 4 are needed")
    y[:, np.isnan(y).any(axis=0)] = np.nan  # a cell counts only if both grids have it

    def difference(seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> NDArray[np.float64]:
        first, second = (seed_share(grid[np.ix_(seeds, prompts)], codes[prompts]) for grid in y)
        return np.array(second - first)

    with np.errstate(divide="ignore", invalid="ignore"):  # without pairs: refused below
        value = float(difference(np.arange(s), np.arange(len(codes))))
        error = float(crossed_errors(difference, np.arange(s), codes))
    n = int((~np.isnan(y[0])).sum())
    if not np.isfinite([value, error]).all():
        raise ValueError("without a seed or group too few pairs of cells are left, or none differ")
    if reason := too_few_events(y[0]) or too_few_events(y[1]):
        return Interval(value, np.nan, np.nan, n, reason)
    return t_interval(
        value,
        error,
        freedom=_freedom(s, g),
        n=n,
        method=f"jackknife over {s} seeds and {g} prompt groups",
        level=level,
    )


def share_change_p(change: Interval, seeds: int, groups: int) -> float:
    """The two-sided p-value of a change of the seed's share.

    Args:
        change: What `seed_share_change` gives, at the level of 95 %.
        seeds: Seeds of its grids.
        groups: Prompt groups of its grids.

    Returns:
        In 0..1; NaN where the change has no interval.
    """
    return two_sided_p(change, freedom=_freedom(seeds, groups))


def _freedom(seeds: int, groups: int) -> int:
    """Degrees of freedom of the jackknife over seeds and groups."""
    return min(seeds, groups, BLOCKS) - 1
