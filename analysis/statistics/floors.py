"""Measure the noise floor of a distance: real images against real images, at a seed's n.

A Frechet distance at finite n is above zero even between two samples of the same images, and a
kernel distance scatters around zero. A seed's value is meaningful only compared with that floor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import KidReference
from analysis.statistics.kernels import as_matrix, kernel_diagonal, kernel_sums

Distance = Callable[[Floats, Floats], float]
"""Takes the features of a sample and of a reference; returns their distance."""


@dataclass(frozen=True)
class NoiseFloor:
    """Distances between random disjoint parts of one set of images.

    Attributes:
        mean: Expected distance of a seed whose images are real images.
        spread: Standard deviation over splits; splits share images, so they are not independent.
        splits: Number of splits.
        n: Number of images in the part that represents a seed.
        reference_n: Number of images in the part that represents the reference.
    """

    mean: float
    spread: float
    splits: int
    n: int
    reference_n: int


def noise_floor(
    reference: ArrayLike,
    n: int,
    distance: Distance,
    *,
    rng: np.random.Generator,
    splits: int = 20,
) -> NoiseFloor:
    """Split a reference at random into n images and the rest, and measure their distance.

    The rest has n images fewer than the reference, so the floor is slightly higher than the floor
    with the whole reference.

    Args:
        reference: Features of shape (m, d), m >= 2 n.
        n: Number of images of a seed.
        distance: Measures the distance of the n images from the rest.
        rng: Draws the splits.
        splits: Number of splits, at least 2.

    Raises:
        ValueError: If the reference is smaller than 2 n, or there are fewer than 2 splits.

    Example:
        >>> from analysis.statistics.distances import kid
        >>> features = np.random.default_rng(0).normal(size=(400, 4))
        >>> floor = noise_floor(features, 100, kid, rng=np.random.default_rng(1))
        >>> abs(floor.mean) < 3 * floor.spread, floor.reference_n
        (True, 300)
    """
    x = as_matrix(reference)
    if len(x) < 2 * n or n < 2:
        raise ValueError(f"a floor at n = {n} needs n >= 2 and {2 * n} images; there are {len(x)}")
    if splits < 2:
        raise ValueError(f"{splits} split; at least 2 are needed for a standard deviation")
    orders = [rng.permutation(len(x)) for _ in range(splits)]
    values = np.array([distance(x[order[:n]], x[order[n:]]) for order in orders])
    return NoiseFloor(float(values.mean()), float(values.std(ddof=1)), splits, n, len(x) - n)


def kid_from_rest(part: ArrayLike, reference: KidReference) -> float:
    """`kid` between some images of a reference and its other images, at a low cost.

    The mean kernel over all pairs of the reference is known. Subtracting the terms with the part
    costs n x m kernels; computing the kernel of the other images would cost (m - n) x (m - n).

    Args:
        part: Shape (n, d), n >= 2, rows of the reference.
        reference: Of m >= n + 2 images, which include the part.

    Example:
        >>> kid_from_rest([[1.0], [1.0]], KidReference.from_features([[1.0], [1.0], [0.0], [0.0]]))
        7.0
    """
    x = as_matrix(part)
    n, m = len(x), len(reference.features)
    block = float(kernel_sums(x, x).sum())
    within = block - float(kernel_diagonal(x).sum())
    across = float(kernel_sums(x, reference.features).sum()) - block
    others = reference.within * m * (m - 1) - within - 2 * across
    left = m - n
    return within / (n * (n - 1)) - 2 * across / (n * left) + others / (left * (left - 1))
