"""Choose seeds that differ most from one another, and measure how similar their images are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.cells.vectors import SeedVectors, layout_vectors, style_vectors
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.kernels import as_matrix
from analysis.study_tools.measured import measured_feature
from pipeline.errors import ConfigError
from pipeline.runs.run import Run

By = Literal["style", "composition"]
Metric = Literal["euclidean", "cosine"]

STYLES = ("gram", "gram_seedling")
LAYOUTS = ("layout", "layout_seedling")


def farthest_points(
    vectors: ArrayLike, k: int, *, first: int, metric: Metric = "euclidean"
) -> Indices:
    """Farthest point sampling: each new point is the farthest from all points chosen so far.

    Args:
        vectors: Shape (S, d).
        k: Number of points, 1 .. S.
        first: Index of the first point.
        metric: Distance between points; for "cosine" it is the angle. The paper does not say which
            distance it uses.

    Returns:
        Shape (k,), indices in the order of choice; ties go to the lowest index.

    Raises:
        ValueError: If k or first is out of range, or a vector of length 0 has no angle.

    Source:
        Gonzalez 1985, Theoretical Computer Science 38, 293-306: the smallest distance within
        the chosen set is at least half the best possible.

    Example:
        >>> farthest_points([[0.0], [1.0], [5.0], [9.0]], 3, first=0)
        array([0, 3, 2])
    """
    x = as_matrix(vectors, least=1)
    if not (1 <= k <= len(x) and 0 <= first < len(x)):
        raise ValueError(
            f"{k} of {len(x)} points from {first}: k must be 1 .. {len(x)} and first an index "
            f"below {len(x)}"
        )
    if metric == "cosine":
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        if not lengths.all():
            raise ValueError("a vector of length 0 has no angle; use the euclidean distance")
        x = x / lengths  # on the unit sphere, the distance grows with the angle
    x = x - x.mean(axis=0)
    chosen, squares = np.array([first], dtype=np.intp), np.einsum("ij,ij->i", x, x)
    nearest = np.full(len(x), np.inf)
    while len(chosen) < k:
        last = chosen[-1]
        nearest = np.minimum(nearest, squares - 2 * x @ x[last] + squares[last])
        nearest[chosen] = -np.inf
        chosen = np.append(chosen, np.argmax(nearest))
    return chosen


def central_point(vectors: ArrayLike) -> int:
    """Index of the vector that is closest to the mean of all vectors.

    Example:
        >>> central_point([[0.0], [1.0], [2.5], [9.0]])
        2
    """
    x = as_matrix(vectors, least=1)
    return int(np.argmin(((x - x.mean(axis=0)) ** 2).sum(axis=1)))


def seed_space(run: Run, by: By, *, feature: str = "", sets: Sequence[int] = (1,)) -> SeedVectors:
    """Read one vector per seed; the distance of two vectors measures how the seeds differ.

    Args:
        run: The run; a style or layout feature must be measured.
        by: "style": mean style vector; "composition": mean x, y, size and depth of the object,
            each divided by its standard deviation over seeds.
        feature: Name of the feature; if empty, the feature that the recipe measures.
        sets: Prompt sets that the vectors are averaged over.

    Raises:
        ConfigError: If `by` is neither.
        RunError: If the recipe measures no such feature, or cells are missing.
    """
    name = space_feature(run, by, name=feature)
    if by == "style":
        return style_vectors(run, feature=name, sets=sets)
    layouts = layout_vectors(run, feature=name, sets=sets)
    spread = layouts.values.std(axis=0)
    scaled = (layouts.values - layouts.values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return replace(layouts, values=scaled)


def space_feature(run: Run, by: By, *, name: str = "") -> str:
    """Look up the feature that `seed_space` reads; see there."""
    kinds = {"style": STYLES, "composition": LAYOUTS}
    if by not in kinds:
        raise ConfigError(f"by {by!r}: wanted style or composition")
    return measured_feature(run, kinds[by], name=name)


def cosine_matrix(images: NDArray[np.floating]) -> Floats:
    """Cosine similarity of each pair of images; NaN if either image has a NaN.

    Args:
        images: Shape (S, d), one vector per seed, all of the same prompt.

    Returns:
        Shape (S, S), float64.

    Example:
        >>> cosine_matrix(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))[0].tolist()
        [1.0, 0.0, 1.0]
    """
    x = np.asarray(images, dtype=np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, lengths, where=lengths > 0, out=np.zeros_like(x))
    missing = ~np.isfinite(lengths[:, 0])
    unit[missing] = 0.0
    similar: Floats = unit @ unit.T
    similar[missing], similar[:, missing] = np.nan, np.nan
    return similar


def mean_pairs(similar: Floats, groups: Indices) -> Floats:
    """Mean similarity of the pairs within groups of seeds; NaN if all pairs are NaN.

    Args:
        similar: Shape (S, S).
        groups: Shape (..., k), indices of the seeds of each group.

    Returns:
        Shape (...).

    Example:
        >>> mean_pairs(np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([[0, 1]])).tolist()
        [0.2]
    """
    first, second = np.triu_indices(groups.shape[-1], 1)
    return nanmean(similar[groups[..., first], groups[..., second]])


def nanmean(values: Floats) -> Floats:
    """Mean over the last axis of the finite values; NaN if there is none.

    Example:
        >>> nanmean(np.array([[1.0, np.nan], [np.nan, np.nan]]))
        array([ 1., nan])
    """
    known = np.isfinite(values)
    counts = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, counts, where=counts > 0, out=np.full(counts.shape, np.nan)))
