"""Test the null "the change does nothing" by exchanging the two ways of drawing."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.leave_out import group_codes
from analysis.statistics.monte_carlo import p_value


def exchanged(groups: ArrayLike, rng: np.random.Generator, *, draws: int) -> NDArray[np.bool_]:
    """Draw which prompts exchange their two ways of drawing.

    All prompts of a group are exchanged together, and for all seeds alike.

    Args:
        groups: Shape (P,), the group of each prompt.
        rng: The random stream.
        draws: Number of draws.

    Returns:
        Shape (draws, P); each group is exchanged with probability 1/2.

    Source:
        Fisher 1935, "The Design of Experiments", section 21, with groups instead of pairs.

    Example:
        >>> flags = exchanged(["cat", "cat", "dog"], np.random.default_rng(0), draws=50)
        >>> flags.shape, bool((flags[:, 0] == flags[:, 1]).all())
        ((50, 3), True)
    """
    labels = np.asarray(groups)
    codes = group_codes(labels, len(labels))
    return np.asarray(rng.random((draws, int(codes.max()) + 1)) < 0.5)[:, codes]


def exchange_p(
    differences: ArrayLike, groups: ArrayLike, rng: np.random.Generator, *, draws: int
) -> float:
    """Two-sided p-value of a mean difference under the null "the change does nothing".

    Args:
        differences: Shape (S, P), the value with the change minus the value without it.
        groups: Shape (P,), the group of each prompt.
        rng: Draws which groups are exchanged.
        draws: Number of draws.

    Returns:
        (b + 1) / (draws + 1), where b is the number of draws whose mean is at least as far from 0.

    Example:
        >>> differences = [[1.0, 2.0, 1.5, 1.0, 2.0, 1.0]] * 2
        >>> exchange_p(differences, range(6), np.random.default_rng(0), draws=99) < 0.1
        True
        >>> exchange_p([[1.0, -1.0]], range(2), np.random.default_rng(0), draws=99)
        1.0
    """
    sums = np.asarray(differences, dtype=np.float64).sum(axis=0)
    signs = 1 - 2 * exchanged(groups, rng, draws=draws).astype(np.float64)
    return p_value(np.abs(signs @ sums), abs(sums.sum()), scale=float(np.abs(sums).sum()))
