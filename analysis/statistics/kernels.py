"""Check feature matrices, and compute the polynomial kernel between them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats

KERNEL_COLUMNS = 2048
"""Columns of a kernel that are computed together."""


def as_matrix(features: ArrayLike, *, least: int = 2) -> Floats:
    """Convert features to a float64 matrix, or raise if they are too few or not finite.

    Args:
        features: Shape (n, d), any real dtype.
        least: The smallest n allowed.

    Returns:
        Shape (n, d), float64, C order; the caller's own array if it already has this form.

    Raises:
        ValueError: If there are not two axes, fewer than `least` rows, no column, or a value that
            is not finite.

    Example:
        >>> as_matrix([[1, 2], [3, 4]]).dtype
        dtype('float64')
    """
    x = np.ascontiguousarray(features, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < least or x.shape[1] < 1:
        raise ValueError(f"features have shape {x.shape}; (n >= {least}, d >= 1) is needed")
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        raise ValueError(f"{bad} of {len(x)} feature rows are not finite; drop those cells first")
    return x


def finite_vector(values: ArrayLike) -> Floats:
    """Convert values to float64 of shape (S,), or raise if one is not finite.

    Raises:
        ValueError: If there is not exactly one axis, or a value is not finite.

    Example:
        >>> finite_vector([1, 2])
        array([1., 2.])
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"values have shape {x.shape}; finite values of shape (S,) are needed")
    return x


def require_width(x: Floats, width: int) -> None:
    """Raise if features have another width than the reference.

    Raises:
        ValueError: If x.shape[1] differs from `width`.
    """
    if x.shape[1] != width:
        raise ValueError(f"features have {x.shape[1]} columns; the reference has {width}")


def kernel(first: Floats, second: Floats) -> Floats:
    """Polynomial kernel (x.y / d + 1)^3 of each pair, shape (len(first), len(second)).

    Source:
        Binkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, section 4.

    Example:
        >>> kernel(np.ones((1, 2)), np.ones((1, 2)))
        array([[8.]])
    """
    base = first @ second.T
    base /= first.shape[1]
    base += 1
    cube = base * base
    cube *= base
    return np.asarray(cube)


def kernel_diagonal(x: Floats) -> Floats:
    """Kernel of each row with itself, shape (n,).

    Example:
        >>> kernel_diagonal(np.ones((1, 2)))
        array([8.])
    """
    return np.asarray((np.einsum("ij,ij->i", x, x) / x.shape[1] + 1) ** 3)


def pair_sums(
    x: Floats, codes: NDArray[np.integer[Any]], *, chunk: int = KERNEL_COLUMNS
) -> tuple[Floats, Floats]:
    """Sum the kernel of each row with all other rows, and of all ordered pairs of each group.

    The kernel is symmetric, so only half of it is computed, `chunk` columns at a time.

    Args:
        x: Shape (n, d).
        codes: Shape (n,), the group of each row, 0 .. G - 1.
        chunk: Columns that are computed together.

    Returns:
        Shape (n,), and shape (G,). A row is never paired with itself.

    Example:
        >>> pair_sums(np.ones((3, 2)), np.array([0, 1, 1]), chunk=2)
        (array([16., 16., 16.]), array([ 0., 16.]))
    """
    rows, groups = np.zeros(len(x)), int(codes.max()) + 1
    member = np.eye(groups)[codes]
    within = np.zeros(groups)
    for start in range(0, len(x), chunk):
        stop = min(start + chunk, len(x))
        part = kernel(x[start:], x[start:stop])
        square, below = part[: stop - start], part[stop - start :]
        np.fill_diagonal(square, 0.0)
        rows[start:stop] += part.sum(axis=0)
        rows[stop:] += below.sum(axis=1)
        columns = member[start:stop]
        of_groups = member[start:stop].T @ square + 2 * (member[stop:].T @ below)
        within += np.einsum("gc,cg->g", of_groups, columns)
    return rows, within


def kernel_sums(first: Floats, second: Floats, *, chunk: int = KERNEL_COLUMNS) -> Floats:
    """Sum the kernel of each row of `first` over all rows of `second`.

    The kernel matrix is computed `chunk` columns at a time, so memory is len(first) x chunk.

    Example:
        >>> kernel_sums(np.ones((1, 2)), np.ones((5, 2)), chunk=2)
        array([40.])
    """
    sums = np.zeros(len(first))
    for start in range(0, len(second), chunk):
        sums += kernel(first, second[start : start + chunk]).sum(axis=1)
    return sums
