"""Define metrics that are the mean over images of one number per image."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from analysis.metrics.base.metric import Metric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.proportions import grouped_share_interval


class MeanMetric(Metric):
    """The mean over images of one number per image."""

    per_image_mean: ClassVar[bool] = True
    method: ClassVar[str] = "mean over images"

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the number of each image."""
        return (np.asarray(columns[self.needs[0]], dtype=np.float64),)

    def values(self, prepared: Sequence[Array]) -> Floats:
        """Average over prompts."""
        return np.asarray(prepared[0].mean(axis=1))

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Average over prompts, with cluster-robust intervals."""
        return [grouped_mean_interval(row, groups) for row in self.prepare(columns)[0]]


class ShareMetric(MeanMetric):
    """The share of images with some property: the mean of a number that is 0 or 1."""

    unit: ClassVar[str] = "fraction"

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Compute shares with Wilson intervals inside 0..1, whose n allows for the groups."""
        return [grouped_share_interval(row, groups) for row in self.prepare(columns)[0]]
