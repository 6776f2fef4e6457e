"""Measure kernel distances (KID) of a seed's images from reference scenes or real images."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.metrics.base import FLOAT64, PERCEPTUAL_REFERENCE, ReferenceMetric
from analysis.statistics.arrays import Array, Floats, Indices
from analysis.statistics.distances import KidReference
from analysis.statistics.floors import kid_from_rest
from analysis.statistics.intervals import Interval, kid_interval
from analysis.statistics.kernels import KERNEL_COLUMNS, kernel_sums

MOST_IMAGES = 100_000
"""Images that are all compared with one another; 49,000 of 128 numbers take 12 s of one core."""
USUAL_REFERENCE = 10_000
"""Images of a usual reference, for plans."""
SEEDS_AT_ONCE = 16
"""Seeds whose kernel blocks are computed together: 16 x 100 x 100 numbers stay in the cache."""


class KernelDistance(ReferenceMetric):
    """KID over all pairs of images. It is unbiased at any n, so it may be negative.

    The expected value does not depend on n, but its noise does: compare with the interval, or
    with the distance of the reference from itself at the same n (`floor`).
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "squared kernel distance"
    higher_is_better: ClassVar[bool | None] = False
    method: ClassVar[str] = "unbiased polynomial-kernel distance, all pairs"
    least_groups: ClassVar[int] = 2

    @property
    def unbiased(self) -> bool:
        """True: the estimator is unbiased at any number of images."""
        return True

    @cached_property
    def shared(self) -> KidReference:
        """The reference, with the mean kernel within it computed once."""
        return KidReference.from_features(self.reference)

    def core_seconds(self, images: int) -> float:
        """Estimate the time of half of the products within a seed, and of those with the reference.

        Fitted to one core of an AMD EPYC with 2,048 numbers an image and a reference of 5,000,
        2026-12-01, busy: 1.4 s for 1,000 images, 4.4 s for 5,000, which is 3.2e10 operations a
        second. The reference counts as `USUAL_REFERENCE` images, since a plan reads none.
        """
        products = images * USUAL_REFERENCE + 0.6 * images**2
        return 2 * self.width * products / 3.2e10

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the embeddings, and the mean kernel of each image with the reference."""
        x = np.asarray(columns[self.needs[0]], dtype=np.float64)
        flat = x.reshape(-1, x.shape[2])
        cross = kernel_sums(flat, self.shared.features) / len(self.shared.features)
        return x, cross.reshape(x.shape[:2])

    def values(self, prepared: Sequence[Array]) -> Floats:
        """Kernel mean within the seed, minus twice that with the reference, plus that within it."""
        x, cross = prepared
        return np.asarray(_within(x) - 2 * cross.mean(axis=1) + self.shared.within)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Compute each KID with a jackknife over prompt groups."""
        rows = columns[self.needs[0]]  # made float64 row by row: all rows may not fit into memory
        bias = f"unbiased at any n; reference of {len(self.reference):,} images"
        return [
            dataclasses.replace(interval, method=f"{interval.method}; {bias}")
            for interval in (kid_interval(row, groups, self.shared) for row in rows)
        ]

    def working_bytes(self, n: int, width: int) -> int:
        """Features twice; three parts of the kernel; the reference."""
        return FLOAT64 * (2 * n * width + 3 * n * min(n, KERNEL_COLUMNS)) + self.reference_bytes(
            width
        )

    def between_groups(self, prepared: Sequence[Array], groups: Array) -> Floats:
        """Compute the distance of each seed from pairs of images of different groups.

        Pairs within a group would count the spread of the prompts as distance of the seed.

        Raises:
            ValueError: If there is only one group.
        """
        x, cross = prepared
        apart = groups[:, None] != groups[None]
        if not apart.any():
            raise ValueError("a unit of one group; a kernel distance needs at least 2")
        kernels = (x @ x.transpose(0, 2, 1) / x.shape[2] + 1) ** 3
        within = kernels[:, apart].mean(axis=1)
        return np.asarray(within - 2 * cross.mean(axis=1) + self.shared.within)

    def of_pools(self, prepared: Sequence[Array]) -> Callable[[Indices], Floats] | None:
        """Average over all assignments: over all pairs of the pool's images of different prompts.

        The kernels are summed once for each pair of seeds. That costs as much as the square of the
        number of images, so it is done for at most `MOST_IMAGES`.
        """
        x, cross = prepared
        if x.shape[0] * x.shape[1] > MOST_IMAGES:
            return None
        pairs, of_reference = _between_prompts(x), cross.mean(axis=1)

        def averages(pools: Indices) -> Floats:
            within = [pairs[np.ix_(pool, pool)].mean() for pool in pools]
            far = of_reference[pools].mean(axis=1)
            return np.asarray(within - 2 * far + self.shared.within)

        return averages

    def from_rest(self, part: Floats, rest: Floats) -> float:
        """Measure the distance from the other images; their kernel mean follows from the whole."""
        del rest
        return kid_from_rest(part, self.shared)


class KidPerceptual(KernelDistance):
    """KID on the `perceptual` embedding, of this project's small network; not the field's KID."""

    name: ClassVar[str] = "kid_perceptual"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("perceptual.embedding",)
    reference_file: ClassVar[Path | None] = PERCEPTUAL_REFERENCE


class Kid(KernelDistance):
    """KID on the pooled Inception features, from real images that you provide.

    This is the full estimator over all pairs, where common practice averages random subsets. It
    is not multiplied by 1,000.

    Source:
        Binkowski et al. 2018, arXiv:1801.01401.
    """

    name: ClassVar[str] = "kid"
    needs: ClassVar[tuple[str, ...]] = ("inception.embedding",)


def _between_prompts(x: Floats) -> Floats:
    """Average the kernel over images of different prompts, for each pair of seeds.

    Args:
        x: Shape (S, P, d).

    Returns:
        Shape (S, S).
    """
    count, n, width = x.shape
    flat, pairs = x.reshape(count * n, width), np.empty((count, count))
    for s in range(count):
        base = (flat[s * n :] @ x[s].T).reshape(-1, n, n)
        base /= width
        base += 1
        square = base * base
        same_prompt = np.einsum("tpp,tpp->t", square, base)
        pairs[s, s:] = pairs[s:, s] = np.einsum("tpq,tpq->t", square, base) - same_prompt
    return np.asarray(pairs / (n * (n - 1)))


def _within(x: Floats) -> Floats:
    """Average the kernel over all pairs of different images of a seed, (S, P, d) -> (S,)."""
    count, n, width = x.shape
    sums = np.empty(count)
    for start in range(0, count, SEEDS_AT_ONCE):
        part = x[start : start + SEEDS_AT_ONCE]
        base = part @ part.transpose(0, 2, 1)
        base /= width
        base += 1
        square = base * base
        diagonal = (np.einsum("spd,spd->sp", part, part) / width + 1) ** 3
        total = np.einsum("spq,spq->s", square, base)
        sums[start : start + len(part)] = total - diagonal.sum(axis=1)
    return np.asarray(sums / (n * (n - 1)))
