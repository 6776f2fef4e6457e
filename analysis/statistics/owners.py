"""The null "no seed effect": which seed owns which images, permuted by prompt group.

A seed may do something to a single object: its horses are good, its bowls are not. Such an
interaction is no effect of the seed as such, but it moves the seed's mean, most where few groups
hold many prompts. The null must therefore keep it. So owners are permuted independently in each
prompt group and alike for all prompts of a group, in whichever prompt set they are. Only what a
seed does to several groups is destroyed. Where each prompt is a group of its own, owners are
permuted within each prompt.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.leave_out import sums_by_group

TURNS = 25
"""Draws that share a permutation in `permuted_totals`; each turns it differently."""


def permuted_owners(
    seeds: int, groups: Sequence[ArrayLike], rng: np.random.Generator
) -> list[Indices]:
    """Draw once from the null "no seed effect", for one or several prompt sets together.

    Relabelling whole seeds would test nothing: each seed would keep its images together, so the
    set of metric values would stay the same. Permuting within each prompt would test too much: an
    interaction of seeds and groups would count as an effect of seeds.

    Args:
        seeds: Number of seeds S.
        groups: For each set, shape (P,): the group of each prompt. A group that is in several
            sets has the same owners in all of them.
        rng: The random stream.

    Returns:
        For each set, shape (S, P): the index of the seed whose image each seed gets.

    Raises:
        ValueError: If the groups of a set have more than one axis.

    Source:
        Anderson and ter Braak 2003, "Permutation tests for multi-factorial analysis of variance":
        units that are exchangeable under the null are permuted, here the group profiles of seeds.

    Example:
        >>> first, second = permuted_owners(
        ...     3, [["cat", "cat", "dog"], ["dog"]], np.random.default_rng(0)
        ... )
        >>> bool((first[:, 0] == first[:, 1]).all() and (first[:, 2] == second[:, 0]).all())
        True
        >>> np.sort(first, axis=0).tolist()
        [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    """
    labels = [np.asarray(each) for each in groups]
    if any(each.ndim != 1 for each in labels):
        shapes = ", ".join(str(each.shape) for each in labels)
        raise ValueError(f"groups have shape {shapes}; one group for each prompt is needed")
    codes = first_seen_codes(np.concatenate(labels))
    count = int(codes.max(initial=-1)) + 1
    owners = rng.permuted(np.broadcast_to(np.arange(seeds)[:, None], (seeds, count)), axis=0)
    ends = np.cumsum([len(each) for each in labels])[:-1]
    return [np.asarray(owners[:, part], dtype=np.intp) for part in np.split(codes, ends)]


def owned(values: NDArray[np.generic], owners: Indices) -> NDArray[np.generic]:
    """Give each seed the images of others; all numbers of an image move together.

    Args:
        values: Shape (S, P, ...): seeds, prompts, then the numbers of an image.
        owners: Shape (S, P), from `permuted_owners`.

    Returns:
        A new array of the same shape and dtype.

    Example:
        >>> owned(np.array([[1, 10], [2, 20]]), np.array([[1, 0], [0, 1]])).tolist()
        [[2, 10], [1, 20]]
    """
    return np.asarray(values[owners, np.arange(owners.shape[1])])


def without_seed_effects(
    drawn: ArrayLike, values: ArrayLike, owners: Indices, groups: ArrayLike
) -> Floats:
    """Take out of a draw what the seeds whose images were drawn do to all groups.

    Permuted by group, the effect that a seed has on all groups becomes effects on single groups,
    which a group that is in two sets carries from one set to the other. Where sets are compared,
    such a draw would repeat too well just because seeds differ. So the mean value of the seeds
    whose images a seed got is subtracted, as if residuals had been permuted. Residuals are
    smaller than what they stand for, since each seed's mean was fitted; the last step undoes that.

    Args:
        drawn: Shape (S,), values of the seeds under permuted owners.
        values: Shape (S,), their values with their own images.
        owners: Shape (S, P), from `permuted_owners`.
        groups: Shape (P,), the group of each prompt.

    Returns:
        Shape (S,). For the mean of one number per image, the means of permuted residuals; for
        other metrics, that to first order.

    Source:
        Anderson and ter Braak 2003, as for `permuted_owners`: permuting residuals under a reduced
        model.

    Example:
        >>> owners = np.array([[0, 1], [1, 0]])
        >>> without_seed_effects([3.0, 3.0], [1.0, 5.0], owners, ["cat", "dog"])
        array([3., 3.])
    """
    x, own = np.asarray(drawn, dtype=np.float64), np.asarray(values, dtype=np.float64)
    residual = x - x.mean() - (own - own.mean())[owners].mean(axis=1)
    return np.asarray(x.mean() + residual * residual_scale(groups))


def residual_scale(groups: ArrayLike) -> float:
    """How much smaller residuals are than what they stand for, as a factor that undoes it.

    Args:
        groups: Shape (P,), the group of each prompt.

    Example:
        >>> residual_scale(["cat", "dog"])
        1.4142135623730951
    """
    sizes = np.bincount(first_seen_codes(np.asarray(groups)))
    share = sizes / sizes.sum()
    squares = (share**2).sum()
    left = (share**2 * (1 - 2 * share + squares)).sum()
    return float(np.sqrt(squares / left)) if left > 0 else 1.0


def permute_owners(
    values: ArrayLike, groups: ArrayLike | None, rng: np.random.Generator
) -> NDArray[np.generic]:
    """Draw once from the null "no seed effect" for the values of one prompt set.

    Args:
        values: Shape (S, P, ...): seeds, prompts, then the numbers of an image.
        groups: Shape (P,), the group of each prompt; None if all are independent.
        rng: The random stream.

    Returns:
        A new array of the same shape and dtype.

    Raises:
        ValueError: If there are fewer than two axes, or not one group for each prompt.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> null = permute_owners([[1, 10], [2, 20], [3, 30]], None, rng)
        >>> np.sort(null, axis=0).tolist()
        [[1, 10], [2, 20], [3, 30]]
    """
    x = np.asarray(values)
    if x.ndim < 2:
        raise ValueError(f"values have shape {x.shape}; (seeds, prompts, ...) is needed")
    labels = np.arange(x.shape[1]) if groups is None else np.asarray(groups)
    if labels.shape != x.shape[1:2]:
        raise ValueError(f"groups have shape {labels.shape}; one for each of {x.shape[1]} prompts")
    (owners,) = permuted_owners(len(x), [labels], rng)
    return owned(x, owners)


def permuted_totals(
    totals: ArrayLike, rng: np.random.Generator, *, draws: int, turns: int = TURNS
) -> Iterator[Floats]:
    """Draw each seed's totals over groups under "no seed effect", many draws at the cost of few.

    If the seeds of a group are permuted and then rotated (each moves k positions further) by a
    random k, every permutation is still equally likely. So the seeds are permuted once per `turns`
    draws and rotated in each draw, independently in each group: each draw has exactly the
    distribution of `permuted_owners`. Draws that share a permutation are not quite independent,
    but this has no visible effect on p-values (a test shows that those of 200 runs without a seed
    effect are uniform).

    Args:
        totals: Shape (L, S, G): L numbers of each seed and group, which move together.
        rng: The random stream.
        draws: Number of draws.
        turns: Draws per permutation, at least 1.

    Yields:
        Shape (L, S), once per draw.

    Example:
        >>> draws = permuted_totals([[[1.0, 10.0], [2.0, 20.0]]], np.random.default_rng(0), draws=2)
        >>> [float(each.sum()) for each in draws]
        [33.0, 33.0]
    """
    x = np.ascontiguousarray(np.asarray(totals, dtype=np.float64).transpose(0, 2, 1))
    layers, groups, seeds = x.shape
    every_layer, every_group = np.arange(layers)[:, None], np.arange(groups)
    for draw in range(draws):
        if draw % turns == 0:
            order = rng.permuted(np.broadcast_to(np.arange(seeds), (groups, seeds)), axis=1)
            permuted = x[:, every_group[:, None], order]
            rotations = np.lib.stride_tricks.sliding_window_view(
                np.concatenate([permuted, permuted], axis=2), seeds, axis=2
            )
        turned = rng.integers(seeds, size=groups)
        yield rotations[every_layer, every_group, turned].sum(axis=1)


def permuted_means(
    values: ArrayLike, groups: ArrayLike | None, rng: np.random.Generator, *, draws: int
) -> Floats:
    """Draw the means of all seeds under "no seed effect"; see `permuted_totals`.

    Args:
        values: Shape (S, P).
        groups: Shape (P,), the group of each prompt; None if all are independent.
        rng: The random stream.
        draws: Number of draws.

    Returns:
        Shape (draws, S).

    Raises:
        ValueError: If the values do not have two axes.

    Example:
        >>> null = permuted_means([[1.0], [2.0], [3.0]], None, np.random.default_rng(0), draws=2)
        >>> np.sort(null, axis=1).tolist()
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"values have {x.ndim} axes; values of shape (S, P) are needed")
    totals = x if groups is None else sums_by_group(x, first_seen_codes(np.asarray(groups)))
    means = [draw[0] / x.shape[1] for draw in permuted_totals(totals[None], rng, draws=draws)]
    return np.array(means).reshape(draws, len(x))


def first_seen_codes(labels: NDArray[np.generic]) -> Indices:
    """Number labels 0, 1, 2 ... in the order in which they first appear.

    Example:
        >>> first_seen_codes(np.array(["dog", "cat", "dog"])).tolist()
        [0, 1, 0]
    """
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes], dtype=np.intp)
