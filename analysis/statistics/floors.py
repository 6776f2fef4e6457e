"""The noise floor of a distance: real images against real images, at a seed's n.

A Frechet distance at finite n is above zero even between two samples of the same images, and a
kernel distance scatters around zero. A seed's value means something only beside that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import KidReference
from analysis.statistics.kernels import as_matrix, kernel_diagonal, kernel_sums

Distance = Callable[[Floats, Floats], float]
"""Takes the features of a sample and of a reference, gives their distance."""


@dataclass(frozen=True)
class NoiseFloor:
    """Distances between random disjoint parts of one set of images.

    Attributes:
        mean: What a seed that draws real images would score on average.
        spread: Standard deviation over splits; they share images, so they are not independent.
        splits: How many.
        n: Images in the part that stands for a seed.
        reference_n: Images in the part that stands for the reference.
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

    The rest is smaller than the reference by n, so the floor lies slightly above that of the
    whole reference.

    Args:
        reference: Features of shape (m, d), m >= 2 n.
        n: Images of a seed.
        distance: Gives the distance of the n from the rest.
        rng: Draws the splits.
        splits: How many, at least 2.

    Raises:
        ValueError: If the reference is smaller than 2 n, or fewer than 2 splits are wanted.

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
        raise ValueError(f"{splits} split; at least 2 are needed to see how they scatter")
    orders = [rng.permutation(len(x)) for _ in range(splits)]
    values = np.array([distance(x[order[:n]], x[order[n:]]) for order in orders])
    return NoiseFloor(float(values.mean()), float(values.std(ddof=1)), splits, n, len(x) - n)


def kid_from_rest(part: ArrayLike, whole: KidReference) -> float:
    """`kid` of some of a reference's images from its others, without the kernel of the others.

    The mean kernel of the whole is known; taking off it what the part has to do with costs
    n x m kernels, where the others alone would cost (m - n) x (m - n).

    Args:
        part: Shape (n, d), n >= 2, rows of the whole.
        whole: Of m >= n + 2 images, the part among them.

    Example:
        >>> kid_from_rest([[1.0], [1.0]], KidReference.from_features([[1.0], [1.0], [0.0], [0.0]]))
        7.0
    """
    x = as_matrix(part)
    n, m = len(x), len(whole.features)
    block = float(kernel_sums(x, x).sum())
    own = block - float(kernel_diagonal(x).sum())
    across = float(kernel_sums(x, whole.features).sum()) - block
    others = whole.within * m * (m - 1) - own - 2 * across
    left = m - n
    return own / (n * (n - 1)) - 2 * across / (n * left) + others / (left * (left - 1))
