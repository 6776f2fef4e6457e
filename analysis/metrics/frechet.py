"""Frechet distance of a seed's images from reference scenes."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.metrics.base import PERCEPTUAL_REFERENCE, Array, Floats, ReferenceMetric
from analysis.statistics.distances import Reference
from analysis.statistics.intervals import Interval, frechet_interval
from analysis.statistics.parallel import frechet_distances


class FrechetPerceptual(ReferenceMetric):
    """Exact Frechet distance on the `perceptual` embedding; comparable only at equal n.

    Not FID: the embedding is our own small network's. With n <= 2 d the covariance of a seed
    is hardly more than its noise: the value then stands with the words that say so.
    """

    name: ClassVar[str] = "frechet_perceptual"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "squared embedding units"
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("perceptual.embedding",)
    method: ClassVar[str] = "exact Frechet distance between fitted Gaussians"
    reference_file: ClassVar[Path] = PERCEPTUAL_REFERENCE

    @cached_property
    def shared(self) -> Reference:
        """The reference's moments and their square root, computed once."""
        return Reference.from_features(self.reference)

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """The embeddings."""
        return (np.asarray(columns[self.needs[0]], dtype=np.float64),)

    def values(self, prepared: Sequence[Array]) -> Floats:
        """The distance of every seed."""
        return frechet_distances(prepared[0], self.shared)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """The distance with its interval at this n, never a bootstrap."""
        rows = self.prepare(columns)[0]
        _, n, width = rows.shape
        note = "" if n > 2 * width else f"low-rank form, comparable only at this n ({n}); "
        intervals = [frechet_interval(row, groups, self.shared) for row in rows]
        return [dataclasses.replace(each, method=note + each.method) for each in intervals]
