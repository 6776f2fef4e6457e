"""Map vectors to few dimensions, reproducibly: principal components and t-SNE.

t-SNE shows clusters even in pure noise, so read a map next to a map of its null.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import cluster

from analysis.statistics.arrays import Floats
from analysis.statistics.dual_pca import dual_pca
from analysis.statistics.kernels import as_matrix

if TYPE_CHECKING:  # takes seconds to import, so it is imported only where a map is computed
    from openTSNE import TSNEEmbedding

NEIGHBOURS = 10
"""Number of nearest landmarks whose median position a point gets."""
BLOCK = 4096
"""Rows that are processed at a time."""


def principal_scores(rows: NDArray[np.floating], components: int) -> Floats:
    """Exact principal component scores of n vectors, from the smaller of the two Gram matrices.

    Args:
        rows: Shape (n, D).
        components: Number of components; fewer are returned if the rows vary in fewer directions.

    Returns:
        Shape (n, k), float64; the score of largest magnitude of each component is positive.

    Raises:
        ValueError: If the rows do not vary, or hold a value that is not finite.

    Example:
        >>> principal_scores(np.array([[0.0, 5.0], [2.0, 5.0], [7.0, 5.0]]), 2).ravel().round(6)
        array([-3., -1.,  4.])
    """
    n, width = rows.shape
    mean = rows.mean(axis=0, dtype=np.float64)
    if n <= width:
        return _dual_scores(rows, components)
    scatter = np.zeros((width, width))
    for start in range(0, n, BLOCK):
        part = rows[start : start + BLOCK] - mean
        scatter += part.T @ part
    if not np.isfinite(scatter).all():
        raise ValueError("the vectors hold values that are not finite; drop those rows first")
    values, vectors = np.linalg.eigh(scatter)
    keep = values[::-1][:components] > 1e-12 * max(values.sum(), 1e-300)
    if not keep.any():
        raise ValueError("the vectors do not vary")
    axes = vectors[:, ::-1][:, :components][:, keep]
    parts = [(rows[start : start + BLOCK] - mean) @ axes for start in range(0, n, BLOCK)]
    return _signed(np.concatenate(parts))


def _dual_scores(rows: NDArray[np.floating], components: int) -> Floats:
    for count in range(min(components, len(rows) - 1), 0, -1):
        try:
            return dual_pca(lambda a, b: rows[a:b], len(rows), components=count, block=1024).scores
        except ValueError:
            if count == 1:
                raise
    raise ValueError(f"{len(rows)} vectors have no principal components")


def _signed(scores: Floats) -> Floats:
    largest = np.abs(scores).argmax(axis=0)
    return np.asarray(scores * np.sign(scores[largest, np.arange(scores.shape[1])]))


def tsne(points: NDArray[np.floating], *, perplexity: float = 30.0, random_state: int) -> Floats:
    """Map n points to two dimensions with t-SNE.

    Args:
        points: Shape (n, d), n >= 5.
        perplexity: Effective number of neighbours of a point; at most (n - 1) / 3 is used.
        random_state: Seed of openTSNE's random numbers. The map starts from the first two
            principal components, so the seed hardly matters.

    Returns:
        Shape (n, 2), float64.

    Raises:
        ValueError: If the points do not vary.

    Example:
        >>> tsne(np.arange(12.0)[:, None], random_state=0).shape
        (12, 2)

    Source:
        van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; openTSNE (Policar,
        Strazar and Zupan 2024, Journal of Statistical Software 109(3)), Barnes-Hut form.
    """
    return np.asarray(_fitted(as_matrix(points, least=5), perplexity, random_state))


def _fitted(points: Floats, perplexity: float, random_state: int) -> "TSNEEmbedding":
    """Fit openTSNE with exact neighbours and one thread, so that the map is reproducible."""
    from openTSNE import TSNE

    if not np.ptp(points, axis=0).any():
        raise ValueError(f"{len(points)} points that do not vary; a map needs points that differ")
    if points.shape[1] == 1:  # the initialisation needs two components
        points = np.column_stack([points, np.zeros(len(points))])
    return TSNE(
        perplexity=min(perplexity, (len(points) - 1) / 3),
        initialization="pca",
        neighbors="exact",
        negative_gradient_method="bh",
        random_state=random_state,
        n_jobs=1,
    ).fit(points)


def landmark_tsne(
    points: NDArray[np.floating],
    *,
    landmarks: int,
    rng: np.random.Generator,
    perplexity: float = 30.0,
) -> Floats:
    """Map very many points: t-SNE of a sample of landmarks, and the other points among them.

    Each other point is put at the median position of its 10 nearest landmarks. This is where
    openTSNE starts a point that it adds to a map; its optimisation of the added points would take
    minutes for the images of 1,024 seeds and is left out.

    Args:
        points: Shape (n, d).
        landmarks: Size of the sample; if there are no more points, t-SNE maps all of them.
        rng: Draws the sample, and seeds t-SNE.
        perplexity: As for `tsne`.

    Returns:
        Shape (n, 2), float64.

    Source:
        openTSNE's `TSNEEmbedding.prepare_partial`; see `tsne`.
    """
    x = as_matrix(points, least=5)
    seed = int(rng.integers(2**31))
    if len(x) <= landmarks:
        return tsne(x, perplexity=perplexity, random_state=seed)
    chosen = np.sort(rng.permutation(len(x))[:landmarks])
    fitted = _fitted(x[chosen], perplexity, seed)
    positions = np.empty((len(x), 2))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        # The perplexity matters only for the optimisation; openTSNE looks up 3 times as many
        # neighbours.
        partial = fitted.prepare_partial(block, k=NEIGHBOURS, perplexity=5)
        positions[start : start + BLOCK] = partial
    positions[chosen] = fitted
    return positions


Linkage = Literal["ward", "average", "complete"]


def cut_groups(points: Floats, count: int, *, linkage: Linkage = "ward") -> NDArray[np.intp]:
    """Cut points into groups by hierarchical clustering.

    Args:
        points: Shape (n, d).
        count: Number of groups, 1 .. n.
        linkage: As in scipy.

    Returns:
        Shape (n,), 0 .. G - 1; groups are numbered in the order of their first member.

    Example:
        >>> cut_groups(np.array([[9.0], [0.0], [0.1], [9.1]]), 2)
        array([0, 1, 1, 0])
    """
    tree = cluster.hierarchy.linkage(points, linkage)
    labels = cluster.hierarchy.fcluster(tree, count, "maxclust")
    _, first = np.unique(labels, return_index=True)
    order = {label: i for i, label in enumerate(labels[np.sort(first)])}
    return np.array([order[label] for label in labels], dtype=np.intp)


def holm(p_values: NDArray[np.floating]) -> Floats:
    """Adjust the p-values of several tests to control the family-wise error rate.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
