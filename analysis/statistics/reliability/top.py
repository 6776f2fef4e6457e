"""Decide which seeds belong to the top of a ranking, and how probably."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.kernels import finite_vector
from analysis.statistics.nulls import Direction


def top_quarter_probability(
    mean: ArrayLike,
    sd: ArrayLike,
    rng: np.random.Generator,
    *,
    direction: Direction = "higher",
    share: float = 0.25,
    draws: int = 4000,
) -> Floats:
    """Posterior probability that each seed belongs to the true top quarter.

    Args:
        mean: Shape (S,), posterior means.
        sd: Shape (S,), posterior standard deviations, at least 0.
        rng: Draws the true effects.
        direction: Which end is the top.
        share: Share of the seeds that counts as the top, in (0, 1]; at least one seed.
        draws: Number of draws; the Monte Carlo error is at most 0.5 / sqrt(draws).

    Returns:
        Shape (S,), in [0, 1]; the sum is the number of seeds in the top. Seeds that tie at the
        boundary in a draw share the remaining places equally.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> top_quarter_probability([9.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1], rng)
        array([1., 0., 0., 0.])
    """
    centre, width = finite_vector(mean), finite_vector(sd)
    if len(centre) != len(width) or width.min() < 0:
        raise ValueError(
            f"{len(centre)} means and {len(width)} standard deviations; both need the same number, "
            f"and no deviation may be negative"
        )
    m = max(1, round(share * len(centre)))
    sign = 1.0 if direction == "higher" else -1.0
    total = np.zeros(len(centre))
    for start in range(0, draws, 500):
        rows = min(500, draws - start)
        drawn = sign * (centre + width * rng.standard_normal((rows, len(centre))))
        cut = np.partition(drawn, len(centre) - m, axis=1)[:, [len(centre) - m]]
        above, level = drawn > cut, drawn == cut
        portion = (m - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
        total += (above + level * portion).sum(axis=0)
    return total / draws


def golden_by_expected_error(probabilities: ArrayLike, *, limit: float = 0.10) -> Indices:
    """The longest list whose expected share of wrong members is at most `limit`.

    Args:
        probabilities: Shape (S,), each seed's probability of belonging to the true top quarter.
        limit: Largest expected share of wrong members, in [0, 1].

    Returns:
        Indices of the golden seeds, the most probable first. The list may be empty, which is a
        valid result. Seeds of equal probability are listed together or not at all.

    Example:
        >>> golden_by_expected_error([0.5, 0.99, 0.85, 0.1])
        array([1, 2])
    """
    p = finite_vector(probabilities)
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ValueError(f"probabilities reach from {p.min()} to {p.max()}; wanted within [0, 1]")
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    error = np.cumsum(1 - ranked) / np.arange(1, p.size + 1)
    no_tie_cut = np.append(ranked[1:] < ranked[:-1], True)[: p.size]
    fits = np.flatnonzero((error <= limit + 1e-12) & no_tie_cut)
    return np.asarray(order[: fits[-1] + 1 if fits.size else 0])


def top_with_ties(values: ArrayLike, m: int, *, direction: Direction) -> Indices:
    """List the best m seeds, and all seeds that tie with the last listed seed.

    Args:
        values: Shape (S,).
        m: Number of seeds wanted, 1 .. S.
        direction: Which end is the top.

    Returns:
        Indices, the best first, equal values in order of index. All seeds that tie at the
        boundary are listed, so there may be more than m; a tie is never broken by seed number.

    Example:
        >>> top_with_ties([3.0, 1.0, 3.0, 2.0], 1, direction="higher")
        array([0, 2])
    """
    x = finite_vector(values) if direction == "higher" else -finite_vector(values)
    if not 1 <= m <= len(x):
        raise ValueError(f"m is {m}; 1 .. {len(x)} is needed")
    order = np.argsort(-x, kind="stable")
    return np.asarray(order[x[order] >= x[order[m - 1]]])
