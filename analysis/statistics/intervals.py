"""Confidence intervals of per-seed metrics, for prompts that come in dependent groups.

Prompts of one group (the same object, the same image) are not independent; in simulation,
intervals that treat them as independent covered 60 % instead of 95 %. Each interval here
resamples or sums by group. None of them bootstraps a Frechet distance: drawing with replacement
repeats images, which moves the whole percentile interval above the estimate.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval, root_scale, t_interval
from analysis.statistics.distances import (
    KidReference,
    Reference,
    as_kid_reference,
    frechet_contributions,
    frechet_distance,
)
from analysis.statistics.kernels import as_matrix, kernel_diagonal
from analysis.statistics.leave_out import (
    balanced_blocks,
    frechet_without_groups,
    group_codes,
    kid_without_groups,
)

__all__ = [
    "Interval",
    "delete_group_jackknife",
    "frechet_interval",
    "grouped_error",
    "grouped_mean_interval",
    "jackknife_error",
    "jackknife_interval",
    "kid_interval",
]


def grouped_error(values: ArrayLike, groups: ArrayLike) -> tuple[float, int]:
    """Standard error of a mean whose terms are dependent within groups.

    Returns:
        The standard error and its degrees of freedom, G - 1.

    Raises:
        ValueError: If there are fewer than two groups, or a value is not finite.

    Source:
        The cluster-robust (sandwich) variance of a mean with the G / (G - 1) correction;
        Liang and Zeger 1986, Biometrika 73(1). With groups of equal size it equals the standard
        error of the mean of the group means.

    Example:
        >>> grouped_error([0.0, 0.0, 2.0, 2.0], [0, 0, 1, 1])
        (1.0, 1)
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"values have shape {x.shape}; finite values of shape (n,) are needed")
    codes = group_codes(groups, len(x))
    count = int(codes.max()) + 1
    if count < 2:
        raise ValueError("all values are of one group; an interval needs at least 2 groups")
    sums = np.bincount(codes, weights=x - x.mean())
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(x)), count - 1


def grouped_mean_interval(values: ArrayLike, groups: ArrayLike, *, level: float = 0.95) -> Interval:
    """Confidence interval of the mean of per-image values whose prompts come in groups.

    Args:
        values: Shape (n,), one number per image of a seed.
        groups: Shape (n,), the prompt group of each.
        level: Confidence, in (0, 1).

    Returns:
        The mean with a cluster-robust interval, t quantile with G - 1 degrees of freedom.

    Example:
        >>> interval = grouped_mean_interval([0.0, 0.0, 2.0, 2.0], [0, 0, 1, 1])
        >>> interval.value, interval.method
        (1.0, 'cluster-robust over 2 groups, 95 %')
    """
    x = np.asarray(values, dtype=np.float64)
    error, freedom = grouped_error(x, groups)
    method = f"cluster-robust over {freedom + 1} groups"
    mean = float(x.mean())
    return t_interval(mean, error, freedom=freedom, n=len(x), method=method, level=level)


def jackknife_error(value: float, without: ArrayLike, sizes: ArrayLike) -> float:
    """Standard error from the values with each group left out.

    Args:
        value: The statistic of all groups.
        without: Shape (G,), the statistic without each group.
        sizes: Shape (G,), number of members of each group.

    Source:
        Delete-a-group jackknife for unequal groups: Busing, Meijer and van der Leeden 1999,
        Statistics and Computing 9, equation 7. With equal groups it is
        sqrt((G - 1) / G sum (without - mean)^2).

    Example:
        >>> round(jackknife_error(2.0, [2.5, 2.0, 1.5], [1, 1, 1]), 6)
        0.57735
    """
    left, m = np.asarray(without, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if len(left) < 2 or left.shape != m.shape:
        raise ValueError(f"{len(left)} groups and {len(m)} sizes; at least 2 of each are needed")
    h = m.sum() / m
    centre = len(m) * value - ((1 - 1 / h) * left).sum()
    pseudo = h * value - (h - 1) * left
    return float(np.sqrt((((pseudo - centre) ** 2) / (h - 1)).sum() / len(m)))


def jackknife_interval(
    value: float, without: ArrayLike, sizes: ArrayLike, *, level: float = 0.95
) -> Interval:
    """Confidence interval from leave-one-group-out values that are already computed.

    Args:
        value: The statistic of all groups.
        without: Shape (G,), the statistic without each group.
        sizes: Shape (G,), number of members of each group.
        level: Confidence, in (0, 1).

    Example:
        >>> jackknife_interval(2.0, [2.5, 2.0, 1.5], [1, 1, 1]).method
        'delete-group jackknife over 3 groups, 95 %'
    """
    m = np.asarray(sizes)
    error = jackknife_error(value, without, m)
    method = f"delete-group jackknife over {len(m)} groups"
    freedom, n = len(m) - 1, int(m.sum())
    return t_interval(value, error, freedom=freedom, n=n, method=method, level=level)


def delete_group_jackknife(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: ArrayLike,
    *,
    limit: int = 20,
    level: float = 0.95,
) -> Interval:
    """Confidence interval of any smooth statistic of the rows, by leaving out prompt groups.

    Args:
        statistic: Takes the indices of the rows to use, shape (k,), and returns a number.
        groups: Shape (n,), the prompt group of each row.
        limit: Groups are joined into at most this many blocks of nearly equal size.
        level: Confidence, in (0, 1).

    Example:
        >>> x = np.array([0.0, 1.0, 2.0])
        >>> delete_group_jackknife(lambda rows: float(x[rows].mean()), [0, 1, 2]).value
        1.0
    """
    n = np.asarray(groups).shape[0]
    codes = balanced_blocks(groups, n, limit=limit)
    count = int(codes.max()) + 1
    without = [statistic(np.flatnonzero(codes != block)) for block in range(count)]
    value = statistic(np.arange(n))
    return jackknife_interval(value, without, np.bincount(codes), level=level)


def frechet_interval(
    features: ArrayLike,
    groups: ArrayLike | None,
    reference: Reference,
    *,
    level: float = 0.95,
    limit: int = 20,
) -> Interval:
    """Confidence interval of the expected Frechet distance at this n.

    The interval covers the expected distance of n images of this seed, including its upward bias
    of about 1/n. It does not cover the distance at infinite n, and it takes the reference as
    fixed. For n > 2 d, the standard error is the cluster-robust error of the mean of
    `frechet_contributions`; otherwise it comes from a delete-group jackknife.

    Args:
        features: Shape (n, d).
        groups: Shape (n,), the prompt group of each image; None if all are independent.
        reference: From features of the same d.
        level: Confidence, in (0, 1).
        limit: Largest number of blocks of the jackknife.

    Returns:
        The distance with its interval, which is symmetric on the scale of its square root. In
        simulation it covers 94 to 96 % if the seed differs from the reference by more than noise
        (an interval symmetric in the squared distance: 91 to 95 %), and 97 to 99 % if it does
        not: the first-order term then vanishes and the interval is too wide.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> reference = Reference.from_features(x[:32])
        >>> frechet_interval(x[32:] + 1, None, reference).method
        'image contributions, cluster-robust over 32 groups, root scale, 95 %'
    """
    x = as_matrix(features)
    labels = np.arange(len(x)) if groups is None else np.asarray(groups)
    value = frechet_distance(x, reference)
    if len(x) > 2 * x.shape[1]:
        error, freedom = grouped_error(frechet_contributions(x, reference), labels)
        method = f"image contributions, cluster-robust over {freedom + 1} groups, root scale"
        plain = t_interval(value, error, freedom=freedom, n=len(x), method=method, level=level)
        return root_scale(plain, power=2)
    blocks = balanced_blocks(labels, len(x), limit=limit)
    without = frechet_without_groups(x, blocks, reference)
    plain = jackknife_interval(value, without, np.bincount(blocks), level=level)
    return root_scale(replace(plain, method=f"{plain.method}, root scale"), power=2)


def kid_interval(
    features: ArrayLike,
    groups: ArrayLike,
    reference: "ArrayLike | KidReference",
    *,
    level: float = 0.95,
    limit: int = 20,
) -> Interval:
    """Confidence interval of the unbiased kernel distance, by a delete-group jackknife.

    The reference is taken as fixed: the interval generalises over prompts, not over references.
    The estimator has a long right tail because the kernel has degree 3, so a symmetric interval
    around a low estimate lies below the true value too often (coverage 85 to 93 % in simulation).
    The upper bound is therefore the higher of two: the symmetric bound, and the bound computed on
    the scale of the cube root, after adding the noise floor (k_ii - k_ij) / n by which the biased
    estimator exceeds the unbiased one. The interval covers 94 to 98 % for d >= 16, and 91 to 94 %
    for d = 4 with features that spread half as much again as the reference.

    Args:
        features: Shape (n, d).
        groups: Shape (n,), the prompt group of each image.
        reference: See `kid`.
        level: Confidence, in (0, 1).
        limit: Largest number of blocks of the jackknife.

    Example:
        >>> kid_interval([[1.0], [1.0], [1.0]], [0, 1, 2], [[0.0], [0.0]]).value
        7.0
    """
    x, shared = as_matrix(features), as_kid_reference(reference)
    blocks = balanced_blocks(groups, len(x), limit=limit)
    left_out = kid_without_groups(x, blocks, shared)
    plain = jackknife_interval(left_out.value, left_out.without, np.bincount(blocks), level=level)
    raised = root_scale(plain, power=3, offset=_noise_floor(x, left_out.near))
    method = plain.method.replace(" groups", " groups, upper bound on the root scale")
    return replace(plain, high=max(plain.high, raised.high), method=method)


def _noise_floor(x: Floats, near: float) -> float:
    """Mean of k_ii minus the mean of k_ij over different images, divided by n; at least 0."""
    return max(float(kernel_diagonal(x).mean() - near) / len(x), 0.0)
