"""Means of seeds under permuted owners, for millions of images with one number each.

A permutation moves all prompts of a group together, so the mean of a seed needs only the sum of
each group. Owners are drawn and used a few groups at a time: neither their indices nor the permuted
numbers are ever in memory for all images.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Array, Floats, Indices
from analysis.statistics.leave_out import sums_by_group
from analysis.statistics.owners import first_seen_codes, residual_scale
from analysis.statistics.parallel import ahead

OWNERS_AT_ONCE = 2**20
"""Owners that are drawn together."""


def owned_means(
    values: Sequence[ArrayLike],
    groups: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    draws: int,
) -> list[tuple[Floats, Floats]]:
    """Draw the means of all seeds under "no seed effect", for one or several prompt sets together.

    The draws are those of `permuted_owners` with the same random stream; sums are added in another
    order, so means agree to 1e-12 of the largest number.

    Args:
        values: For each set, shape (S, P): one number per image.
        groups: For each set, shape (P,): the group of each prompt.
        rng: The random stream.
        draws: Number of draws.

    Returns:
        For each set, two arrays of shape (draws, S): the means, and the means without what the
        seeds whose images were drawn do to all groups, as by `without_seed_effects`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> ((means, _),) = owned_means([[[1.0], [2.0]]], [["cat"]], rng, draws=2)
        >>> np.sort(means, axis=1).tolist()
        [[1.0, 2.0], [1.0, 2.0]]
    """
    labels = [np.asarray(each) for each in groups]
    codes = first_seen_codes(np.concatenate(labels))
    count = int(codes.max(initial=-1)) + 1
    ends = np.cumsum([len(each) for each in labels])[:-1]
    sets = [
        _Set(np.asarray(numbers, dtype=np.float64), part, count, draws)
        for numbers, part in zip(values, np.split(codes, ends), strict=True)
    ]
    seeds = len(sets[0].own)
    for number, owners in enumerate(_owners(seeds, draws * count, rng)):
        for each in sets:
            each.add(*divmod(number, count), owners)
    return [each.result(labels[i]) for i, each in enumerate(sets)]


class _Set:
    """Adds up the draws of one prompt set.

    Args:
        values: Shape (S, P).
        codes: Shape (P,), the group of each prompt among those of all sets.
        count: Number of groups of all sets.
        draws: Number of draws.
    """

    def __init__(self, values: Floats, codes: Indices, count: int, draws: int) -> None:
        known, within = np.unique(codes, return_inverse=True)
        self.prompts = len(codes)
        self.sums = np.ascontiguousarray(sums_by_group(values, within).T)
        means = values.mean(axis=1)
        self.own = means - means.mean()
        sizes = np.bincount(within)
        self.effects = {int(size): size * self.own for size in np.unique(sizes)}
        self.rows: list[tuple[Floats, Floats] | None] = [None] * count
        for code, row, size in zip(known, self.sums, sizes, strict=True):
            self.rows[code] = (row, self.effects[int(size)])
        self.totals, self.carried = np.zeros((2, draws, len(values)))

    def add(self, draw: int, group: int, owners: NDArray[np.signedinteger]) -> None:
        """Add what each seed gets in a group."""
        rows = self.rows[group]
        if rows is not None:
            self.totals[draw] += rows[0].take(owners)
            self.carried[draw] += rows[1].take(owners)

    def result(self, groups: Array) -> tuple[Floats, Floats]:
        """Return the means, and those without seed effects."""
        means, carried = self.totals / self.prompts, self.carried / self.prompts
        middle = means.mean(axis=1, keepdims=True)
        return means, middle + (means - middle - carried) * residual_scale(groups)


def _owners(seeds: int, rows: int, rng: np.random.Generator) -> Iterator[NDArray[np.signedinteger]]:
    """Draw owners, group by group; the next are drawn while these are used."""
    most = max(1, OWNERS_AT_ONCE // seeds)
    each = np.broadcast_to(np.arange(seeds), (most, seeds))
    parts = (rng.permuted(each[: rows - start], axis=1) for start in range(0, rows, most))
    for part in ahead(parts, depth=1):
        yield from part
