"""Whether a change of drawing gives the seed more or less of what a picture looks like."""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.bounds import Interval
from analysis.statistics.kernels import Floats
from analysis.statistics.leave_out import group_codes
from analysis.statistics.variance import jackknife_variance, seed_share


def seed_share_change(
    before: ArrayLike, after: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> Interval:
    """The seed's share of a measure's variance after a change, less that before it.

    Both grids are of the same seeds and prompts, whose luck both share, so the difference is
    known better than either share. The interval is a two-way jackknife of the difference itself.

    Args:
        before: Shape (S, P), S >= 4 and P >= 4. NaN marks a missing cell.
        after: The same seeds and prompts, drawn with the change.
        groups: Shape (P,), the group of each prompt, at least four; None if all are independent.
        level: Confidence, in (0, 1).

    Returns:
        The difference, in -1..1 but for noise; n is the number of cells that both have.

    Raises:
        ValueError: If the grids differ in shape, are too small, or do not vary.

    Source:
        Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111, section 3, as for
        `variance_shares`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> seeds, rest = rng.normal(size=(12, 1)), rng.normal(size=(2, 12, 12))
        >>> found = seed_share_change(seeds + rest[0], rest[1])
        >>> found.low < found.value < found.high < 0.1, found.n
        (True, 144)
    """
    y = np.stack([np.asarray(before, np.float64), np.asarray(after, np.float64)])
    if y.ndim != 3 or min(y.shape[1:]) < 4 or np.isinf(y).any():
        raise ValueError(f"grids have shape {y.shape[1:]}; finite (S >= 4, P >= 4) is needed")
    codes = np.arange(y.shape[2]) if groups is None else group_codes(groups, y.shape[2])
    s, g = y.shape[1], int(codes.max()) + 1
    if g < 4:
        raise ValueError(f"prompts fall into {g} groups; at least 4 are needed")
    y[:, np.isnan(y).any(axis=0)] = np.nan  # a cell counts where both have it
    change = partial(_change, y, codes)
    no_seed = [change(np.arange(s) != i, codes >= 0) for i in range(s)]
    no_group = [change(np.ones(s, dtype=bool), codes != j) for j in range(g)]
    value = change(np.ones(s, dtype=bool), codes >= 0)
    error = float(np.sqrt(jackknife_variance(no_seed) + jackknife_variance(no_group)))
    if not np.isfinite([value, error]).all():
        raise ValueError("without a seed or group too few pairs of cells are left, or none differ")
    half = float(stats.t.ppf((1 + level) / 2, min(s, g) - 1)) * error
    method = f"two-way jackknife over {s} seeds and {g} groups, {100 * level:g} %"
    return Interval(value, value - half, value + half, int((~np.isnan(y[0])).sum()), method)


def _change(
    y: Floats, codes: NDArray[np.intp], seeds: NDArray[np.bool_], prompts: NDArray[np.bool_]
) -> float:
    """The difference on some of the seeds and prompts."""
    _, kept = np.unique(codes[prompts], return_inverse=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # pairs may be lacking: refused above
        before, after = (seed_share(grid[seeds][:, prompts], kept) for grid in y)
    return after - before
