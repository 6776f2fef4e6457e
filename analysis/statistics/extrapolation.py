"""A biased distance at infinitely many images: the intercept of a straight line in 1/n.

A Frechet distance of n images exceeds that of infinitely many by about c / n, and c hangs on the
images themselves. Distances of fewer of the same images show c, and the line says where it ends.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats
from analysis.statistics.leave_out import deal_groups, group_codes

Chosen = NDArray[np.bool_]
"""Which of the n images, shape (n,)."""

PARTS = 4
"""Prompt groups are dealt into quarters; the line goes through all, three and two of them."""
DEALS = 4
"""Times that groups are dealt. That makes 41 distances a seed, a tenth of what its null takes."""


@dataclass(frozen=True, eq=False)
class AtInfinity:
    """Distances extrapolated to infinitely many images.

    Attributes:
        values: Shape (S,), of every seed.
        n: Images per seed at the points of the line, the fewest first; means, rounded.
        caveat: What a reader must know about these values, in a sentence; may be empty.
    """

    values: Floats
    n: tuple[int, ...]
    caveat: str = ""


def at_infinity(
    distance: Callable[[Chosen], Floats],
    groups: ArrayLike,
    rng: np.random.Generator,
    *,
    width: int,
) -> AtInfinity:
    """Extrapolate the distances of all seeds, from parts of the same images.

    The prompt groups are dealt at random into quarters, 4 times. The line goes, by least squares,
    through the distance of all images and the mean distances of three quarters (4 ways a deal)
    and of two (6 ways), so that all groups count alike. Groups stay whole, for dependent images
    are worth fewer than they are, and half of each group is not worth half. All seeds are dealt
    alike.

    Use it beside distances of another n. It takes the bias off that n images cause, not that of
    the reference's own n; it may be negative where there is hardly a distance. In simulation (8
    numbers, groups of dependent images) it scatters as the distance itself does, and takes off a
    fifth too much with n = 2 d, a tenth with 3 d, 4 % with 4 d.

    Args:
        distance: Takes which images to use, gives the distance of every seed, shape (S,).
        groups: Shape (n,), the prompt group of each image; at least 4.
        rng: Deals the groups.
        width: Numbers of an embedding. With no more images than these a covariance is singular
            and the distance far from a straight line in 1/n.

    Raises:
        ValueError: If there are fewer than 4 groups, or two quarters hold `width` images or fewer.

    Source:
        Chong and Forsyth 2020, "Effectively Unbiased FID and Inception Score", arXiv:1911.07023
        (in the authors' code 15 random subsets of 5,000 to 50,000 images, 2,048 numbers each).

    Example:
        >>> groups, rng = np.arange(8), np.random.default_rng(0)
        >>> biased = lambda chosen: 3 + 5 / chosen.sum(keepdims=True)
        >>> found = at_infinity(biased, groups, rng, width=2)
        >>> found.n, round(float(found.values[0]), 9)
        ((4, 6, 8), 3.0)
    """
    points = subsets(groups, rng)
    least = min(int(chosen.sum()) for chosen in points[-1])
    if least <= width:
        raise ValueError(
            f"half of the prompt groups hold {least:,} images; a line in 1/n needs more than the "
            f"{width:,} numbers of an embedding"
        )
    sizes = [float(np.mean([chosen.sum() for chosen in point])) for point in points]
    means = [np.mean([distance(chosen) for chosen in point], axis=0) for point in points]
    order = tuple(round(size) for size in sorted(sizes))
    return AtInfinity(intercept(sizes, means), order)


def subsets(groups: ArrayLike, rng: np.random.Generator) -> list[list[Chosen]]:
    """Which images stand at each point of the line: all, and all unions of 3 and of 2 quarters.

    Raises:
        ValueError: If there are fewer than 4 groups.

    Example:
        >>> [len(point) for point in subsets([0, 0, 1, 2, 3], np.random.default_rng(0))]
        [1, 16, 24]
    """
    labels = np.asarray(groups)
    codes = group_codes(labels, len(labels))
    if codes.max() + 1 < PARTS:
        raise ValueError(f"{codes.max() + 1} prompt groups; a line in 1/n needs at least {PARTS}")
    deals = [deal_groups(codes, PARTS, rng) for _ in range(DEALS)]
    unions = [
        [np.isin(part, kept) for part in deals for kept in itertools.combinations(range(PARTS), k)]
        for k in (3, 2)
    ]
    return [[np.ones(len(labels), dtype=bool)], *unions]


def intercept(n: Sequence[float], values: ArrayLike) -> Floats:
    """Where straight lines in 1/n end, by least squares.

    Args:
        n: Images at each of the K points, at least two different numbers.
        values: Shape (K, S), the values of every seed at each point.

    Returns:
        Shape (S,).

    Example:
        >>> intercept([10, 20], [[1.5], [1.25]]).round(9)
        array([1.])
    """
    inverse = 1 / np.asarray(n, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    apart = inverse - inverse.mean()
    slope = apart @ y / float(apart @ apart)
    return np.asarray(y.mean(axis=0) - slope * inverse.mean())
