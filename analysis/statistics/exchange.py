"""The null "the change does nothing": which of a pair is which is drawn by prompt group."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.leave_out import group_codes


def exchanged(groups: ArrayLike, rng: np.random.Generator, *, draws: int) -> NDArray[np.bool_]:
    """Prompts whose two ways of drawing change places; groups stay whole, seeds together.

    Args:
        groups: Shape (P,), the group of each prompt.
        rng: The random stream.
        draws: How many.

    Returns:
        Shape (draws, P); a group changes places with probability 1/2.

    Source:
        Fisher 1935, "The Design of Experiments", section 21, with groups in place of pairs.

    Example:
        >>> found = exchanged(["cat", "cat", "dog"], np.random.default_rng(0), draws=50)
        >>> found.shape, bool((found[:, 0] == found[:, 1]).all())
        ((50, 3), True)
    """
    labels = np.asarray(groups)
    codes = group_codes(labels, len(labels))
    return np.asarray(rng.random((draws, int(codes.max()) + 1)) < 0.5)[:, codes]


def exchange_p(
    differences: ArrayLike, groups: ArrayLike, rng: np.random.Generator, *, draws: int
) -> float:
    """Two-sided p of a mean difference where the change does nothing.

    Args:
        differences: Shape (S, P), with the change less without.
        groups: Shape (P,), the group of each prompt.
        rng: Draws which groups change places.
        draws: How many.

    Returns:
        (b + 1) / (draws + 1), b the draws whose mean is at least as far from 0.

    Example:
        >>> found = [[1.0, 2.0, 1.5, 1.0, 2.0, 1.0]] * 2
        >>> exchange_p(found, range(6), np.random.default_rng(0), draws=99) < 0.1
        True
        >>> exchange_p([[1.0, -1.0]], range(2), np.random.default_rng(0), draws=99)
        1.0
    """
    sums = np.asarray(differences, dtype=np.float64).sum(axis=0)
    signs = 1 - 2 * exchanged(groups, rng, draws=draws).astype(np.float64)
    # A draw that exchanges nothing must count, whatever the order of adding does to its last bits.
    least = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    return float(((np.abs(signs @ sums) >= least).sum() + 1) / (draws + 1))
