"""Seeds that differ most from one another, and how alike the images of several seeds are."""

from collections.abc import Mapping, Sequence
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
    """Farthest point sampling: each next point is the one farthest from all chosen so far.

    Args:
        vectors: Shape (S, d).
        k: How many points, 1 .. S.
        first: Place of the first point.
        metric: Distance. The paper does not say which; the angle for "cosine".

    Returns:
        Shape (k,), places in the order of their choice; of equals the first.

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
        raise ValueError(f"{k} of {len(x)} points from {first}: k is 1 .. S and first a place")
    if metric == "cosine":
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        if not lengths.all():
            raise ValueError("a vector of length 0 has no angle; use the euclidean distance")
        x = x / lengths  # the chord grows with the angle
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
    """Place of the vector nearest to the mean of all.

    Example:
        >>> central_point([[0.0], [1.0], [2.5], [9.0]])
        2
    """
    x = as_matrix(vectors, least=1)
    return int(np.argmin(((x - x.mean(axis=0)) ** 2).sum(axis=1)))


def seed_space(run: Run, by: By, *, feature: str = "", sets: Sequence[int] = (1,)) -> SeedVectors:
    """The vector of every seed in which seeds are called different.

    Args:
        run: The run; a style or layout feature must be measured.
        by: "style": mean style vector; "composition": mean x, y, size and depth of the object,
            each in units of its spread over seeds.
        feature: The feature; whichever the recipe measures if empty.
        sets: Prompt sets that they are made from.

    Raises:
        ConfigError: If `by` is neither.
        RunError: If the recipe measures no such feature, or cells are missing.
    """
    name = space_feature(run, by, asked=feature)
    if by == "style":
        return style_vectors(run, feature=name, sets=sets)
    found = layout_vectors(run, feature=name, sets=sets)
    spread = found.values.std(axis=0)
    scaled = (found.values - found.values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return SeedVectors(found.seeds, found.prompts, scaled, found.found)


def space_feature(run: Run, by: By, *, asked: str = "") -> str:
    """The feature of a run that a space is made from; see `seed_space`."""
    kinds = {"style": STYLES, "composition": LAYOUTS}
    if by not in kinds:
        raise ConfigError(f"by {by!r}: wanted style or composition")
    return measured_feature(run, kinds[by], asked=asked)


def cosine_matrix(images: NDArray[np.floating]) -> Floats:
    """Cosine similarity of every two images; NaN where one of them has a NaN.

    Args:
        images: Shape (S, d): one prompt's images of all seeds.

    Returns:
        Shape (S, S), float64.

    Example:
        >>> cosine_matrix(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))[0].tolist()
        [1.0, 0.0, 1.0]
    """
    x = np.asarray(images, dtype=np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, lengths, where=lengths > 0, out=np.zeros_like(x))
    bad = ~np.isfinite(lengths[:, 0])
    unit[bad] = 0.0
    similar: Floats = unit @ unit.T
    similar[bad], similar[:, bad] = np.nan, np.nan
    return similar


def mean_pairs(similar: Floats, groups: Indices) -> Floats:
    """Mean similarity of the pairs within groups of seeds; NaN where no pair has one.

    Args:
        similar: Shape (S, S).
        groups: Shape (..., k): places of the seeds of each group.

    Returns:
        Shape (...).

    Example:
        >>> mean_pairs(np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([[0, 1]])).tolist()
        [0.2]
    """
    one, other = np.triu_indices(groups.shape[-1], 1)
    return nanmean(similar[groups[..., one], groups[..., other]])


def similarities(
    images: Floats, sets: Mapping[str, Indices], rng: np.random.Generator, draws: int
) -> tuple[dict[str, Floats], Floats]:
    """How alike a prompt's images are by two choices of seeds, and the null of their difference.

    A permutation of a prompt's images is one of the rows and columns of its matrix, so each
    matrix is made once.

    Args:
        images: Shape (S, P, d); NaN where an image has no such vector.
        sets: Two names -> shape (F, k): places of k seeds, F choices.
        rng: Draws the permutations.
        draws: How many.

    Returns:
        Name -> shape (P,), mean over choices; and shape (draws,): the first less the second,
        mean over prompts, with owners permuted within each prompt.
    """
    seeds, prompts = images.shape[:2]
    similar = {method: np.empty(prompts) for method in sets}
    total, counts = np.zeros(draws), np.zeros(draws)
    for p in range(prompts):
        matrix = cosine_matrix(images[:, p])
        for method, places in sets.items():
            similar[method][p] = nanmean(mean_pairs(matrix, places))
        owner = rng.permuted(np.broadcast_to(np.arange(seeds), (draws, seeds)), axis=1)
        far, near = (nanmean(mean_pairs(matrix, owner[:, places])) for places in sets.values())
        there = np.isfinite(far - near)
        total += np.where(there, far - near, 0.0)
        counts += there
    return similar, total / np.maximum(counts, 1)


def nanmean(values: Floats) -> Floats:
    """Mean over the last axis of the numbers that are there; NaN where none is.

    Example:
        >>> nanmean(np.array([[1.0, np.nan], [np.nan, np.nan]]))
        array([ 1., nan])
    """
    there = np.isfinite(values)
    counts = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, counts, where=counts > 0, out=np.full(counts.shape, np.nan)))
