"""Compute a seed's distance with each prompt group left out in turn, exactly and in one pass.

A delete-group jackknife needs the distance of the images that remain without each group. Sums,
Gram matrices and kernel blocks are computed once; leaving out a group then costs a subtraction.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.distances import (
    KidReference,
    Reference,
    as_kid_reference,
    frechet_method,
    root_sum,
)
from analysis.statistics.kernels import as_matrix, kernel_sums, pair_sums, require_width


def group_codes(groups: ArrayLike, n: int) -> Indices:
    """Number the groups 0 .. G - 1 in the order of their sorted labels.

    Args:
        groups: Shape (n,), labels of any sortable type.
        n: Expected number of labels.

    Returns:
        Shape (n,), integers.

    Raises:
        ValueError: If the shape is not (n,).

    Example:
        >>> group_codes(["cat", "ant", "cat"], 3)
        array([1, 0, 1])
    """
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups have shape {labels.shape}; one label for each of {n} is needed")
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.intp)


def sums_by_group(values: Floats, codes: Indices) -> Floats:
    """Sum values over the prompts of each group.

    Args:
        values: Shape (..., P).
        codes: Shape (P,), from `group_codes`.

    Returns:
        Shape (..., G). Where each prompt is a group of its own, exactly the values.

    Example:
        >>> sums_by_group(np.array([[1.0, 2.0, 4.0]]), np.array([1, 0, 1]))
        array([[2., 5.]])
    """
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(int(codes.max()) + 1))
    if len(starts) == len(codes):
        return values[..., order]
    return np.asarray(np.add.reduceat(values[..., order], starts, axis=-1))


def balanced_blocks(groups: ArrayLike, n: int, *, limit: int = 20) -> Indices:
    """Join groups into at most `limit` blocks of nearly equal size.

    Groups are never split. They are assigned in descending order of size, each to the smallest
    block so far, so the blocks depend only on the labels and not on the order of the rows.

    Returns:
        Shape (n,), the block of each row, 0 .. B - 1.

    Example:
        >>> balanced_blocks(["a", "a", "b", "c"], 4, limit=2)
        array([0, 0, 1, 1])
    """
    codes = group_codes(groups, n)
    sizes = np.bincount(codes)
    if len(sizes) <= limit:
        return codes
    loads = np.zeros(limit, dtype=np.int64)
    block = np.empty(len(sizes), dtype=np.intp)
    for group in np.argsort(-sizes, kind="stable"):
        block[group] = int(np.argmin(loads))
        loads[block[group]] += sizes[group]
    return np.asarray(block[codes])


def deal_groups(codes: Indices, parts: int, rng: np.random.Generator) -> Indices:
    """Assign groups at random to parts of nearly equal size.

    Groups are taken in random order, each assigned to the smallest part so far.

    Args:
        codes: Shape (n,), from `group_codes`.
        parts: Number of parts.
        rng: Draws the order of the groups.

    Returns:
        Shape (n,), the part of each row, 0 .. parts - 1. Groups are never split.

    Example:
        >>> deal_groups(np.array([0, 0, 1, 2]), 2, np.random.default_rng(1)).tolist()
        [0, 0, 1, 1]
    """
    sizes = np.bincount(codes)
    loads, part = np.zeros(parts, dtype=np.intp), np.empty(len(sizes), dtype=np.intp)
    for group in rng.permutation(len(sizes)):
        part[group] = int(np.argmin(loads))
        loads[part[group]] += sizes[group]
    return np.asarray(part[codes])


def frechet_without_groups(features: ArrayLike, groups: ArrayLike, reference: Reference) -> Floats:
    """Squared Frechet distance with each group of images left out in turn.

    Args:
        features: Shape (n, d).
        groups: Shape (n,). Without any single group, at least two images must remain.
        reference: From features of the same d.

    Returns:
        Shape (G,), float64, in the order of the sorted labels: `frechet_distance` of the images
        that remain.

    Raises:
        ValueError: If fewer than two images remain without some group.

    Example:
        >>> reference = Reference.from_features([[0.0], [2.0]])
        >>> frechet_without_groups([[3.0], [5.0], [9.0]], [0, 1, 2], reference).round(6)
        array([38., 33.,  9.])
    """
    x = as_matrix(features)
    require_width(x, reference.mean.size)
    codes = group_codes(groups, len(x))
    sizes = np.bincount(codes)
    _require_remainder(len(x), sizes)
    shifted = x - x.mean(axis=0)
    sums = np.stack([shifted[codes == g].sum(axis=0) for g in range(len(sizes))])
    squares = np.bincount(codes, weights=np.einsum("ij,ij->i", shifted, shifted))
    left = (len(x) - sizes)[:, None]
    means = (sums.sum(axis=0) - sums) / left
    spread = (squares.sum() - squares - left[:, 0] * (means**2).sum(axis=1)) / (left[:, 0] - 1)
    shift = ((means + x.mean(axis=0) - reference.mean) ** 2).sum(axis=1)
    roots = _root_traces(shifted @ reference.root.T, codes)
    total = shift + spread + float(np.trace(reference.covariance))
    return np.asarray(np.maximum(total - 2 * roots, 0.0))


def _root_traces(projected: Floats, codes: Indices) -> Floats:
    """Trace of the root of the projected covariance without each group."""
    n, d = projected.shape
    groups = range(int(codes.max()) + 1)
    if frechet_method(n, d) == "low_rank":
        gram = projected @ projected.T
        return np.array([_root_of_gram(gram[np.ix_(k, k)]) for k in (codes != g for g in groups)])
    parts = [projected[codes == g] for g in groups]
    squares, total = projected.T @ projected, projected.sum(axis=0)
    roots = []
    for part in parts:
        left, mean = n - len(part), (total - part.sum(axis=0)) / (n - len(part))
        scatter = squares - part.T @ part - left * np.outer(mean, mean)
        roots.append(root_sum(np.asfortranarray(scatter / (left - 1))))
    return np.array(roots)


def _root_of_gram(gram: Floats) -> float:
    """The same trace, from the Gram matrix of rows that are not yet centred."""
    rows = gram.mean(axis=1)
    centred = gram - rows - rows[:, None] + rows.mean()
    return root_sum(np.asfortranarray(centred / (len(gram) - 1)))


class LeftOut(NamedTuple):
    """A seed's kernel distance, whole and with each group left out.

    Attributes:
        value: `kid` of all images.
        without: Shape (G,), float64, in the order of the sorted labels: `kid` of the images that
            remain.
        near: Mean kernel over all pairs of two different images.
    """

    value: float
    without: Floats
    near: float


def kid_without_groups(
    features: ArrayLike, groups: ArrayLike, reference: "ArrayLike | KidReference"
) -> LeftOut:
    """Unbiased kernel distance of all images, and with each group of images left out in turn.

    The kernel is computed once, a part at a time. Leaving out a group subtracts the rows and
    columns of the group and adds its block back.

    Args:
        features: Shape (n, d).
        groups: Shape (n,). Without any single group, at least two images must remain.
        reference: See `kid`.

    Raises:
        ValueError: If fewer than two images remain without some group.

    Example:
        >>> left_out = kid_without_groups([[1.0], [1.0], [1.0]], [0, 1, 2], [[0.0], [0.0]])
        >>> left_out.value, left_out.without.tolist()
        (7.0, [7.0, 7.0, 7.0])
    """
    x, shared = as_matrix(features), as_kid_reference(reference)
    require_width(x, shared.features.shape[1])
    n, m = len(x), len(shared.features)
    codes = group_codes(groups, n)
    sizes = np.bincount(codes)
    _require_remainder(n, sizes)
    pairs, blocks = pair_sums(x, codes)
    far = kernel_sums(x, shared.features)
    near = float(pairs.sum() / (n * (n - 1)))
    left, rows = n - sizes, np.bincount(codes, weights=pairs)
    within = (pairs.sum() - 2 * rows + blocks) / (left * (left - 1))
    between = (far.sum() - np.bincount(codes, weights=far)) / (left * m)
    value = near - 2 * float(far.sum() / (n * m)) + shared.within
    return LeftOut(value, np.asarray(within - 2 * between + shared.within), near)


def _require_remainder(n: int, sizes: Indices) -> None:
    """Raise if a group is so large that fewer than two images remain without it."""
    if len(sizes) < 2 or n - sizes.max() < 2:
        raise ValueError(
            f"{len(sizes)} groups, the largest with {sizes.max()} of {n} images; without it "
            "at least 2 images must remain"
        )
