"""What a pool of seeds draws: each prompt gets one of them; the pictures are judged together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.metrics import Metric
from analysis.statistics.kernels import Floats

Places = NDArray[np.intp]

AT_ONCE = 16
"""Pools judged together."""


def pool_values(metric: Metric, prepared: Sequence[Any], owners: Places) -> Floats:
    """The metric of pictures that several seeds draw between them.

    A pool of seeds is broader than its members, so its Frechet distance is lower than theirs on
    average: pools are compared with pools of the same size, under the same assignment.

    Args:
        metric: The metric.
        prepared: What `metric.prepare` made of every seed's images, each (S, P, ...).
        owners: Shape (N, P): whose image each prompt gets, N times.

    Returns:
        Shape (N,).
    """
    place = np.arange(owners.shape[1])
    parts = [
        metric.values([array[owners[at : at + AT_ONCE], place] for array in prepared])
        for at in range(0, len(owners), AT_ONCE)
    ]
    return np.concatenate(parts)


def assigned(pools: Places, turns: Places) -> Places:
    """Whose image each prompt gets: the same turn of every pool.

    Args:
        pools: Shape (N, k), places of the members of each pool.
        turns: Shape (P,), 0 .. k - 1.

    Returns:
        Shape (N, P).

    Example:
        >>> assigned(np.array([[7, 8], [1, 2]]), np.array([0, 1, 1])).tolist()
        [[7, 8, 8], [1, 2, 2]]
    """
    return np.asarray(pools[:, turns])


def best_of(scores: ArrayLike, count: int) -> Floats:
    """The mean, over all choices of `count` different seeds, of their best score, per prompt.

    Args:
        scores: Shape (S, P).
        count: Seeds to choose from, 1 .. S.

    Returns:
        Shape (P,), exact: the r-th smallest of S scores is the best of C(r - 1, count - 1)
        of the C(S, count) choices.

    Example:
        >>> best_of([[0.0], [1.0], [2.0]], 2).round(6)
        array([1.66666667])
    """
    x = np.sort(np.asarray(scores, dtype=np.float64), axis=0)
    rank = np.arange(1, len(x) + 1)
    logs = _log_choices(rank - 1, count - 1) - _log_choices(np.array([len(x)]), count)
    return np.asarray(np.exp(logs) @ x)


def _log_choices(n: NDArray[np.integer], k: int) -> Floats:
    """Logarithm of n over k, -inf where k > n."""
    there = n >= k
    safe = np.where(there, n, k)
    logs = special.gammaln(safe + 1) - special.gammaln(k + 1) - special.gammaln(safe - k + 1)
    return np.asarray(np.where(there, logs, -np.inf))


def wins(chosen: ArrayLike, others: ArrayLike) -> Floats:
    """Share of the pairs in which the one's score is higher, per prompt; a tie counts half.

    Args:
        chosen: Shape (k, P).
        others: Shape (m, P).

    Returns:
        Shape (P,), 0..1.

    Example:
        >>> wins([[2.0, 1.0]], [[1.0, 1.0], [3.0, 0.0]]).tolist()
        [0.5, 0.75]
    """
    a, b = np.asarray(chosen, dtype=np.float64), np.sort(np.asarray(others, np.float64), axis=0)
    found = [
        (np.searchsorted(b[:, p], a[:, p], "left") + np.searchsorted(b[:, p], a[:, p], "right"))
        for p in range(a.shape[1])
    ]
    return np.asarray(np.mean(found, axis=1) / (2 * len(b)))
