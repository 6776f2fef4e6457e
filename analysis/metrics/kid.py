"""Kernel distances (KID) of a seed's images from reference scenes or real images."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.metrics.base import PERCEPTUAL_REFERENCE, ReferenceMetric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.distances import KidReference
from analysis.statistics.floors import kid_from_rest
from analysis.statistics.intervals import Interval, kid_interval
from analysis.statistics.kernels import kernel_sums

SEEDS_AT_ONCE = 16
"""Kernel blocks made together: 16 x 100 x 100 numbers stay in the cache."""


class KernelDistance(ReferenceMetric):
    """Unbiased KID over all pairs; unbiased at any n, so it may be negative.

    The expected value does not depend on n, its noise does: compare with the interval, or with
    the reference's distance from itself at the same n (`floor`).
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "squared kernel distance"
    higher_is_better: ClassVar[bool | None] = False
    method: ClassVar[str] = "unbiased polynomial-kernel distance, all pairs"

    @cached_property
    def shared(self) -> KidReference:
        """The reference side, its own term computed once."""
        return KidReference.from_features(self.reference)

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """The embeddings, and every image's mean kernel with the reference."""
        x = np.asarray(columns[self.needs[0]], dtype=np.float64)
        flat = x.reshape(-1, x.shape[2])
        cross = kernel_sums(flat, self.shared.features) / len(self.shared.features)
        return x, cross.reshape(x.shape[:2])

    def values(self, prepared: Sequence[Array]) -> Floats:
        """Mean kernel within the seed, less twice that with the reference, plus its own."""
        x, cross = prepared
        return np.asarray(_within(x) - 2 * cross.mean(axis=1) + self.shared.within)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """KID with a jackknife over prompt groups."""
        rows = columns[self.needs[0]]  # each made float64 for itself: all at once may not fit
        bias = f"unbiased at any n; reference of {len(self.reference):,} images"
        return [
            dataclasses.replace(each, method=f"{each.method}; {bias}")
            for each in (kid_interval(row, groups, self.shared) for row in rows)
        ]

    def from_rest(self, part: Floats, rest: Floats) -> float:
        """The distance from the others, whose own term follows from that of the whole."""
        del rest
        return kid_from_rest(part, self.shared)


class KidPerceptual(KernelDistance):
    """KID on the `perceptual` embedding. Not the field's: the network is our own small one."""

    name: ClassVar[str] = "kid_perceptual"
    needs: ClassVar[tuple[str, ...]] = ("perceptual.embedding",)
    reference_file: ClassVar[Path | None] = PERCEPTUAL_REFERENCE


class Kid(KernelDistance):
    """KID on the pooled Inception features, from real images of your own.

    The full estimator over all pairs, where the usual practice averages random subsets. Not
    multiplied by 1,000.

    Source:
        Binkowski et al. 2018, arXiv:1801.01401.
    """

    name: ClassVar[str] = "kid"
    needs: ClassVar[tuple[str, ...]] = ("inception.embedding",)


def _within(x: Floats) -> Floats:
    """Mean kernel over all pairs of two different images of each seed, (S, P, d) -> (S,)."""
    count, n, width = x.shape
    sums = np.empty(count)
    for start in range(0, count, SEEDS_AT_ONCE):
        part = x[start : start + SEEDS_AT_ONCE]
        base = part @ part.transpose(0, 2, 1)
        base /= width
        base += 1
        square = base * base
        own = (np.einsum("spd,spd->sp", part, part) / width + 1) ** 3
        sums[start : start + len(part)] = np.einsum("spq,spq->s", square, base) - own.sum(axis=1)
    return np.asarray(sums / (n * (n - 1)))
