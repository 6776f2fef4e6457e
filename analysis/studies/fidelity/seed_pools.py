"""What a pool of seeds draws: each prompt gets one of them; the pictures are judged together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.metrics import Metric
from analysis.ranking.joint_rule import Judged
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import delete_group_jackknife, grouped_mean_interval
from analysis.study_tools.farthest_seeds import cosine_matrix, mean_pairs, nanmean
from pipeline.errors import RunError

AT_ONCE = 16
"""Pools judged together."""
ASSIGNMENTS = 20
"""Random assignments of a pool's seeds to prompts, and random pools of a size."""
PAIRS = 64
"""Seeds of a random pool whose pictures are compared with one another at most."""


def pool_values(metric: Metric, prepared: Sequence[Any], owners: Indices) -> Floats:
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


def assigned(pools: Indices, turns: Indices) -> Indices:
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
        >>> best_of([[0.0], [1.0], [2.0]], 2).round(3).tolist()
        [1.667]
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


def product_figures(one: Judged, golden: Sequence[int]) -> dict[str, Any]:
    """What somebody who draws with golden seeds gains, by a score per image.

    Args:
        one: A mean of scores, on prompts that had no part in choosing.
        golden: Places of the golden seeds.

    Returns:
        Intervals by prompt groups: gain over all seeds, win rate over the other seeds, gain of
        the best of four random seeds, and the first as a share of the last.

    Raises:
        RunError: If the metric is no mean over images.
    """
    if not one.metric.per_image_mean:
        raise RunError(f"{one.metric.name} is no mean over images; a score per image is needed")
    scores, groups = np.asarray(one.prepared[0], dtype=np.float64), one.sample.groups
    mine = np.isin(np.arange(len(scores)), golden)
    gain = scores[mine].mean(axis=0) - scores.mean(axis=0)
    best = best_of(scores, 4) - scores.mean(axis=0)
    share = delete_group_jackknife(
        lambda rows: float(gain[rows].sum() / max(best[rows].sum(), 1e-300)), groups
    )
    return {
        "metric": one.metric.name,
        "gain": grouped_mean_interval(gain, groups),
        "win_rate": grouped_mean_interval(wins(scores[mine], scores[~mine]), groups),
        "best_of_four_gain": grouped_mean_interval(best, groups),
        "share_of_best_of_four": share,
    }


def pool_rows(
    last: Sequence[Judged],
    pools: Sequence[Indices],
    images: NDArray[np.floating] | None,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Pools of several sizes, each beside random pools of its size.

    Args:
        last: The distance and the preference, on prompts that had no part in choosing.
        pools: Places of the seeds of each pool.
        images: Style vectors of the same prompts, shape (S, P, d); None where there are none.
        rng: Draws assignments and random pools.

    Returns:
        Per pool: size, preference with interval, distance and similarity with the random pools',
        n. Similarity is None for a pool of one, and without images.
    """
    seeds = len(last[0].sample.seeds)
    random = [
        np.array([rng.permutation(seeds)[: len(pool)] for _ in range(ASSIGNMENTS)])
        for pool in pools
    ]
    some = [each[:, :PAIRS] for each in random]  # a random pool's first seeds are random, too
    alike = pool_similarities(images, [*(pool[None] for pool in pools), *some])
    own, null = alike[: len(pools)], alike[len(pools) :]
    return [
        {**_row(last, pool, others, rng), "similarity": mine, "similarity_random": theirs}
        for pool, others, mine, theirs in zip(pools, random, own, null, strict=True)
    ]


def _row(
    last: Sequence[Judged], pool: Indices, random: Indices, rng: np.random.Generator
) -> dict[str, Any]:
    distance, preference = last
    turns = rng.integers(len(pool), size=(ASSIGNMENTS, distance.sample.n))
    mine = pool_values(distance.metric, distance.prepared, pool[turns])
    others = np.take_along_axis(random, turns, axis=1)
    null = pool_values(distance.metric, distance.prepared, others)
    scores = np.asarray(preference.prepared[0])[pool].mean(axis=0)
    score = grouped_mean_interval(scores, preference.sample.groups)
    return {
        "seeds": len(pool),
        "preference": score.value,
        "preference_low": score.low,
        "preference_high": score.high,
        "distance": float(mine.mean()),
        "distance_random": float(null.mean()),
        "distance_random_sd": float(null.std(ddof=1)),
        "n": distance.sample.n,
    }


def pool_similarities(
    images: NDArray[np.floating] | None, pools: Sequence[Indices]
) -> list[float | None]:
    """Mean cosine similarity of a prompt's images by different seeds of a pool.

    Args:
        images: Shape (S, P, d), or None.
        pools: Each of shape (N, k): N pools of k seeds, all of which are compared.

    Returns:
        The mean over prompts and over each one's N pools; None where k is 1, or without images.
    """
    if images is None:
        return [None] * len(pools)
    sums = np.zeros(len(pools))
    for p in range(images.shape[1]):  # outside, so that a prompt's matrix is made once
        matrix = cosine_matrix(images[:, p])
        sums += [float(nanmean(mean_pairs(matrix, pool))) for pool in pools]
    means = sums / images.shape[1]
    return [
        float(one) if pool.shape[1] > 1 else None for one, pool in zip(means, pools, strict=True)
    ]
