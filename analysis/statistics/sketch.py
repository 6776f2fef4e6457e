"""Count sketch: compress a long vector so that inner products stay unbiased, with known error.

Each entry of the long vector is added, with a sign, to one entry of the short vector. Position and
sign come from a hash of the entry's index, so they are the same on every machine and in every
version of every library, and nothing is stored or drawn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.arrays import Floats

STEP = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, eq=False)
class CountSketch:
    """The position and the sign of each of D entries in the sketch.

    Over random hashes, the inner product of the sketches of x and y has mean <x, y> and variance
    at most (|x|^2 |y|^2 + <x, y>^2) / size. So a squared distance |x - y|^2 is unbiased, with a
    relative standard error of at most sqrt(2 / size).

    Attributes:
        positions: Shape (D,), int64, 0 to size - 1.
        signs: Shape (D,), float32, -1 or 1.
        size: Length of the sketch.

    Source:
        Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams"; the
        variance is that of Weinberger et al. 2009, "Feature hashing for large scale multitask
        learning", arXiv:0902.2206, lemma 2.
    """

    positions: NDArray[np.int64]
    signs: NDArray[np.float32]
    size: int

    def apply(self, rows: NDArray[np.floating]) -> Floats:
        """Sketch vectors.

        Args:
            rows: Shape (n, D).

        Returns:
            Shape (n, size), float64.

        Example:
            >>> make_sketch(1000, size=8).apply(np.zeros((2, 1000))).shape
            (2, 8)
        """
        signed = rows * self.signs
        counts = [np.bincount(self.positions, weights=row, minlength=self.size) for row in signed]
        return np.array(counts, dtype=np.float64).reshape(len(rows), self.size)


def make_sketch(width: int, *, size: int, salt: int = 0) -> CountSketch:
    """Make the sketch of vectors of `width` entries.

    Args:
        width: D, at least 1.
        size: Length of the sketch, at least 1.
        salt: Each salt gives an independent sketch.

    Raises:
        ValueError: If `width` or `size` is less than 1.

    Example:
        >>> make_sketch(5, size=4).positions.tolist()
        [1, 2, 0, 0, 2]
    """
    if width < 1 or size < 1:
        raise ValueError(f"a sketch of {width} entries in {size}; both must be at least 1")
    bits = hashed(np.arange(width, dtype=np.uint64), salt)
    positions = ((bits >> np.uint64(32)) % np.uint64(size)).astype(np.int64)
    signs = np.where(bits & np.uint64(1), 1.0, -1.0).astype(np.float32)
    return CountSketch(positions, signs, size)


def hashed(index: NDArray[np.uint64], salt: int = 0) -> NDArray[np.uint64]:
    """Hash each index to 64 pseudo-random bits (the generator SplitMix64, by position).

    Source:
        Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"; constants
        of the reference code, https://prng.di.unimi.it/splitmix64.c.

    Example:
        >>> hex(hashed(np.zeros(1, dtype=np.uint64))[0])  # first output of the reference code
        '0xe220a8397b1dcdaf'
    """
    start = np.uint64((salt * int(STEP) << 20) % 2**64)
    z = (index + np.uint64(1)) * STEP + start
    z = (z ^ (z >> np.uint64(30))) * MIX[0]
    z = (z ^ (z >> np.uint64(27))) * MIX[1]
    return np.asarray(z ^ (z >> np.uint64(31)))
