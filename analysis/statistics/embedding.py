"""Maps of many numbers in few: principal components and t-SNE, the same every time.

t-SNE draws clusters in pure noise: a map is read beside the same map of its null.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import cluster

from analysis.statistics.arrays import Floats
from analysis.statistics.dual_pca import dual_pca
from analysis.statistics.kernels import as_matrix

if TYPE_CHECKING:  # takes seconds to import, so where a map is made and not where it is named
    from openTSNE import TSNEEmbedding

NEIGHBOURS = 10
"""Landmarks whose places a point's place is the median of."""
BLOCK = 4096
"""Rows at a time."""


def principal_scores(rows: NDArray[np.floating], components: int) -> Floats:
    """Principal components of n vectors, exact, by whichever side is shorter.

    Args:
        rows: Shape (n, D).
        components: How many; fewer where the rows vary in fewer directions.

    Returns:
        Shape (n, k), float64; each component's largest score is positive.

    Raises:
        ValueError: If the rows do not vary, or hold a number that is not finite.

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
        raise ValueError("the vectors hold numbers that are not finite")
    values, vectors = np.linalg.eigh(scatter)
    keep = values[::-1][:components] > 1e-12 * max(values.sum(), 1e-300)
    if not keep.any():
        raise ValueError("the vectors do not vary")
    axes = vectors[:, ::-1][:, :components][:, keep]
    parts = [(rows[at : at + BLOCK] - mean) @ axes for at in range(0, n, BLOCK)]
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
    """A map of n points in two dimensions.

    Args:
        points: Shape (n, d), n >= 5.
        perplexity: How many neighbours a point keeps near; at most (n - 1) / 3 is used.
        random_state: Seed of openTSNE's random numbers; the start is the first two principal
            components, so they hardly matter.

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
    """The map of openTSNE: exact neighbours and one thread, so that it is the same every time."""
    from openTSNE import TSNE

    if not np.ptp(points, axis=0).any():
        raise ValueError(f"{len(points)} points that do not vary; a map needs points that differ")
    if points.shape[1] == 1:  # the start has two components
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
    """A map of very many points: t-SNE of a sample, the others among their nearest of it.

    Every other point is put at the median of its 10 nearest landmarks' places, where openTSNE
    starts a point that it adds to a map; the optimisation that may follow there would take
    minutes for the images of 1,024 seeds and is left out.

    Args:
        points: Shape (n, d).
        landmarks: Size of the sample; all points are mapped by t-SNE where there are no more.
        rng: Draws the sample, and seeds t-SNE.
        perplexity: As `tsne`.

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
    made = _fitted(x[chosen], perplexity, seed)
    found = np.empty((len(x), 2))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        # This perplexity is for the optimisation; openTSNE looks up 3 times as many neighbours.
        found[start : start + BLOCK] = made.prepare_partial(block, k=NEIGHBOURS, perplexity=5)
    found[chosen] = made
    return found


Linkage = Literal["ward", "average", "complete"]


def cut_groups(points: Floats, count: int, *, linkage: Linkage = "ward") -> NDArray[np.intp]:
    """Cut points into groups by hierarchical clustering.

    Args:
        points: Shape (n, d).
        count: Groups, 1 .. n.
        linkage: As scipy's.

    Returns:
        Shape (n,), 0 .. G - 1, the groups numbered in the order of their first member.

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
    """P-values of several questions, adjusted so that any false one is found at most so often.

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
