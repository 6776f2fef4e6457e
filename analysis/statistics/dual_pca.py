"""Principal components of few, very long vectors that do not fit into memory together.

For n vectors of D >> n numbers, the components follow from the n x n matrix of inner products: if
K = X X' (X centred) has eigenvectors U and eigenvalues s^2, the scores are U s and the components
are X' U / s. K is computed in float64 from pairs of small blocks of vectors, so memory is two
blocks plus n^2. The price is that each block is read (n / block + 1) / 2 times on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.arrays import Floats

Rows = Callable[[int, int], NDArray[np.floating]]
"""Returns the vectors from `start` up to but not including `stop`, shape (stop - start, D)."""

CHUNK = 1 << 14
"""Number of entries of a vector that are multiplied at once, in float64."""


@dataclass(frozen=True, eq=False)
class DualPca:
    """The first k principal components of n vectors, by their scores.

    Attributes:
        left: Shape (n, k), orthonormal: the scores, each divided by its singular value.
        singular_values: Shape (k,), descending.
        total_variance: Sum over all components of the squared singular values.
    """

    left: Floats
    singular_values: Floats
    total_variance: float

    @property
    def scores(self) -> Floats:
        """The vectors in the coordinates of the components, shape (n, k)."""
        return np.asarray(self.left * self.singular_values)

    @property
    def explained(self) -> Floats:
        """Share of the variance that each component explains, shape (k,)."""
        return np.asarray(self.singular_values**2 / self.total_variance)


def dual_pca(rows: Rows, n: int, *, components: int, block: int = 16) -> DualPca:
    """Exact principal components from blocks of vectors.

    Args:
        rows: Returns blocks of vectors. It is called repeatedly for the same block and must return
            the same vectors each time.
        n: Number of vectors.
        components: k, 1 to n - 1.
        block: Vectors per block; two blocks are in memory at a time.

    Returns:
        The components, with signs such that the score of largest magnitude is positive.

    Raises:
        ValueError: If k is out of range, or the vectors do not vary in k directions.

    Example:
        >>> x = np.array([[0.0, 0.0], [2.0, 0.0], [7.0, 0.0]])
        >>> dual_pca(lambda a, b: x[a:b], 3, components=1).scores.ravel().round(6)
        array([-3., -1.,  4.])
    """
    if not 1 <= components < n:
        raise ValueError(f"{components} components of {n} vectors; 1 to {n - 1} are possible")
    return _components(centred(inner_products(rows, n, block=block)), components)


def inner_products(rows: Rows, n: int, *, block: int = 16) -> Floats:
    """All inner products of n vectors, shape (n, n), float64.

    Example:
        >>> inner_products(lambda a, b: np.ones((b - a, 7)), 3, block=2)[0]
        array([7., 7., 7.])
    """
    products = np.zeros((n, n))
    starts = range(0, n, block)
    for first in starts:
        left = slice(first, min(first + block, n))
        left_rows = rows(left.start, left.stop)
        for second in range(first, n, block):
            right = slice(second, min(second + block, n))
            right_rows = left_rows if right == left else rows(right.start, right.stop)
            products[left, right] = _product(left_rows, right_rows)
            products[right, left] = products[left, right].T
    return products


def _product(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """`first @ second.T` in float64, without a float64 copy of either."""
    total = np.zeros((len(first), len(second)))
    for start in range(0, first.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        total += first[:, part].astype(np.float64) @ second[:, part].astype(np.float64).T
    return total


def centred(products: Floats) -> Floats:
    """Inner products of the vectors after subtracting their mean.

    Example:
        >>> centred(np.array([[4.0, 0.0], [0.0, 0.0]]))
        array([[ 1., -1.],
               [-1.,  1.]])
    """
    means = products.mean(axis=0)
    return np.asarray(products - means - means[:, None] + means.mean())


def _components(products: Floats, count: int) -> DualPca:
    values, vectors = np.linalg.eigh(products)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    total = float(np.trace(products))
    if not values[-1] > 1e-12 * max(total, np.finfo(float).tiny):
        varied = int((values > 1e-12 * total).sum())
        raise ValueError(f"the vectors vary in {varied} directions only; {count} were asked for")
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(count)])
    return DualPca(np.ascontiguousarray(vectors * signs), np.sqrt(values), total)


def principal_axes(rows: Rows, pca: DualPca, *, block: int = 16) -> Floats:
    """Compute the components themselves: unit vectors in the space of the long vectors.

    Args:
        rows: The same blocks that `pca` was computed from.
        pca: Result of `dual_pca`.
        block: Vectors in memory at a time.

    Returns:
        Shape (k, D), float64.

    Example:
        >>> x = np.array([[0.0, 0.0], [2.0, 0.0], [7.0, 0.0]])
        >>> principal_axes(lambda a, b: x[a:b], dual_pca(lambda a, b: x[a:b], 3, components=1))
        array([[1., 0.]])
    """
    weights = (pca.left - pca.left.mean(axis=0)) / pca.singular_values
    axes: Floats | None = None
    for start in range(0, len(weights), block):
        part = rows(start, min(start + block, len(weights)))
        if axes is None:
            axes = np.zeros((weights.shape[1], part.shape[1]))
        for first in range(0, part.shape[1], CHUNK):
            columns = slice(first, first + CHUNK)
            axes[:, columns] += weights[start : start + block].T @ part[:, columns]
    return np.zeros((0, 0)) if axes is None else axes


def principal_cosines(first: Floats, second: Floats) -> Floats:
    """Cosines of the principal angles between two subspaces, descending; all 1 if they are equal.

    Args:
        first: Shape (k, D): rows that span the first subspace.
        second: Shape (l, D): rows that span the second subspace.

    Example:
        >>> principal_cosines(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]])).round(3)
        array([0.6])
    """
    a, b = np.linalg.qr(first.T)[0], np.linalg.qr(second.T)[0]
    return np.asarray(np.clip(np.linalg.svd(a.T @ b, compute_uv=False), 0, 1))
