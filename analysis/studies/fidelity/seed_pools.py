"""Evaluate pools of seeds: one seed of the pool draws each prompt, and all images are one set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.ranking.joint_rule import Judged
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import delete_group_jackknife, grouped_mean_interval
from analysis.statistics.wins import wins
from analysis.studies.fidelity.assignments import Assignments
from analysis.study_tools.farthest_seeds import cosine_matrix, mean_pairs, nanmean
from pipeline.errors import RunError

RANDOM_POOLS = 20
"""Random pools of each size."""
COMPARED = 64
"""Seeds of a random pool whose images are compared with one another, at most."""


def best_of(scores: ArrayLike, count: int) -> Floats:
    """Expected best score of `count` different random seeds, per prompt.

    Args:
        scores: Shape (S, P).
        count: Number of seeds, 1 .. S.

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
    """Logarithm of the binomial coefficient n over k, -inf where k > n."""
    possible = n >= k
    safe = np.where(possible, n, k)
    logs = special.gammaln(safe + 1) - special.gammaln(k + 1) - special.gammaln(safe - k + 1)
    return np.asarray(np.where(possible, logs, -np.inf))


def preference_gains(judged: Judged, golden: Sequence[int]) -> dict[str, Any]:
    """Compute what golden seeds gain, by a score per image.

    Args:
        judged: A mean of scores, on prompts that were not used to choose the seeds.
        golden: Indices of the golden seeds.

    Returns:
        Intervals over prompt groups: gain over all seeds, win rate against the other seeds, gain
        of the best of four random seeds, and the first gain as a share of the last.

    Raises:
        RunError: If the metric is not a mean over images.
    """
    if not judged.metric.per_image_mean:
        raise RunError(
            f"{judged.metric.name} is not a mean over images; this study needs a score per image: "
            f"name one (--set preference=hps_v2_1)"
        )
    scores, groups = np.asarray(judged.prepared[0], dtype=np.float64), judged.sample.groups
    is_golden = np.isin(np.arange(len(scores)), golden)
    gain = scores[is_golden].mean(axis=0) - scores.mean(axis=0)
    best = best_of(scores, 4) - scores.mean(axis=0)
    share = delete_group_jackknife(
        lambda rows: float(gain[rows].sum() / max(best[rows].sum(), 1e-300)), groups
    )
    return {
        "metric": judged.metric.name,
        "gain": grouped_mean_interval(gain, groups),
        "win_rate": grouped_mean_interval(wins(scores[is_golden], scores[~is_golden]), groups),
        "best_of_four_gain": grouped_mean_interval(best, groups),
        "share_of_best_of_four": share,
    }


def pool_rows(
    distance: Assignments,
    preference: Judged,
    pools: Sequence[Indices],
    images: NDArray[np.floating] | None,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Evaluate pools of several sizes, and random pools of the same sizes.

    Args:
        distance: The distance, on prompts that were not used to choose the seeds.
        preference: The preference, on such prompts.
        pools: Indices of the seeds of each pool.
        images: Style vectors of the same prompts, shape (S, P, d), or None.
        rng: Draws the random pools.

    Returns:
        One row per pool: its size, preference with interval, distance and similarity, the latter
        two also for random pools, and n. Similarity is None for a pool of one seed, and without
        style vectors.
    """
    seeds = len(preference.sample.seeds)
    random = [
        np.array([rng.permutation(seeds)[: len(pool)] for _ in range(RANDOM_POOLS)])
        for pool in pools
    ]
    compared = [each[:, :COMPARED] for each in random]  # a random pool's first seeds are random
    similar = pool_similarities(images, [*(pool[None] for pool in pools), *compared])
    best, null = similar[: len(pools)], similar[len(pools) :]
    return [
        {
            **_row(distance, preference, pool, others),
            "similarity": of_pool,
            "similarity_random": of_random,
        }
        for pool, others, of_pool, of_random in zip(pools, random, best, null, strict=True)
    ]


def _row(
    distance: Assignments, preference: Judged, pool: Indices, random: Indices
) -> dict[str, Any]:
    values, errors = distance.averages(pool[None])
    null, _ = distance.averages(random)
    scores = np.asarray(preference.prepared[0])[pool].mean(axis=0)
    score = grouped_mean_interval(scores, preference.sample.groups)
    return {
        "seeds": len(pool),
        "preference": score.value,
        "preference_low": score.low,
        "preference_high": score.high,
        "distance": float(values[0]),
        "distance_error": float(errors[0]),
        "distance_random": float(null.mean()),
        "distance_random_sd": float(null.std(ddof=1)),
        "n": distance.judged.sample.n,
    }


def pool_similarities(
    images: NDArray[np.floating] | None, pools: Sequence[Indices]
) -> list[float | None]:
    """Mean cosine similarity of the images of a prompt by different seeds of a pool.

    Args:
        images: Shape (S, P, d), or None.
        pools: Arrays of shape (N, k), each with the indices of the seeds of N pools of size k.

    Returns:
        For each array, the mean over prompts and its N pools; None if k is 1, or without images.
    """
    if images is None:
        return [None] * len(pools)
    sums = np.zeros(len(pools))
    for p in range(images.shape[1]):  # the outer loop, so that each matrix is computed once
        matrix = cosine_matrix(images[:, p])
        sums += [float(nanmean(mean_pairs(matrix, pool))) for pool in pools]
    means = sums / images.shape[1]
    return [
        float(mean) if pool.shape[1] > 1 else None for mean, pool in zip(means, pools, strict=True)
    ]
