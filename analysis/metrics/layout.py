"""Means of the `layout` feature: where a seed puts the object, how large, how near, how often.

The classes named Seedling are the same of `layout_seedling`: the shipped networks know the
project's own world only, so their numbers have names of their own.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from analysis.metrics.base import MeanMetric, ShareMetric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.intervals import Interval

LEAST_FOUND = 0.5
"""Share of all images in which the object must be found for a mean to be shown."""


class FoundMetric(MeanMetric):
    """The mean over images of a number that only images with a found object have.

    Every seed keeps the same n prompts. Where a seed's image shows no object, it counts with the
    mean of the other seeds' images of that prompt: it then says nothing about the seed, and the
    seed is not compared on easier prompts than the others (as it would be if its own image were
    just left out). A seed's difference from the others is so drawn towards zero by its share of
    such images. A prompt whose object no seed shows counts alike for all seeds. Refused where
    under half of all images show the object; `object_found_rate` stands beside it.
    """

    method: ClassVar[str] = "mean over images; not found: mean of the prompt's other images"
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """Most images must show the object."""
        found = float(np.isfinite(columns[self.needs[0]]).mean())
        if found < LEAST_FOUND:
            return f"the object was found in {found:.0%} of the images; {LEAST_FOUND:.0%} is needed"
        return ""

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """The numbers, every gap filled."""
        return (fill_not_found(columns[self.needs[0]]),)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Means with cluster-robust intervals, and how many images show the object."""
        found = np.isfinite(columns[self.needs[0]]).sum(axis=1)
        return [
            replace(each, method=f"{each.method}; {count} of {each.n} found")
            for each, count in zip(super().compute(columns, groups), found, strict=True)
        ]


def fill_not_found(values: Array) -> Floats:
    """Replace NaN by the mean of the other seeds' values of the same prompt.

    Args:
        values: Shape (S, P, ...); NaN says not found.

    Returns:
        The same shape, float64, finite. A prompt without any value gets the mean of the others.

    Raises:
        ValueError: If there is no value at all.

    Example:
        >>> fill_not_found(np.array([[1.0, 0.0], [np.nan, 0.5]])).tolist()
        [[1.0, 0.0], [1.0, 0.5]]
    """
    x = np.asarray(values, dtype=np.float64)
    there = np.isfinite(x)
    if not there.any():
        raise ValueError("the object was found in no image at all")
    counts = there.sum(axis=0)
    means = np.where(there, x, 0).sum(axis=0) / np.maximum(counts, 1)
    overall = (means * (counts > 0)).sum(axis=0) / np.maximum((counts > 0).sum(axis=0), 1)
    return np.asarray(np.where(there, x, np.where(counts > 0, means, overall)))


class LayoutX(FoundMetric):
    """Mean horizontal place of the object."""

    name: ClassVar[str] = "layout_x"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.x",)


class LayoutY(FoundMetric):
    """Mean vertical place of the object, from the top."""

    name: ClassVar[str] = "layout_y"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.y",)


class LayoutSize(FoundMetric):
    """Mean share of the picture that the object covers."""

    name: ClassVar[str] = "layout_size"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.size",)


class LayoutDepth(FoundMetric):
    """Mean share of the picture that is nearer than the object."""

    name: ClassVar[str] = "layout_depth"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.depth",)


class ObjectFoundRate(ShareMetric):
    """How often a seed's image shows the prompt's object."""

    name: ClassVar[str] = "object_found_rate"
    version: ClassVar[int] = 2
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("layout.found",)
    method: ClassVar[str] = "share of the images of prompts with an object word"


class LayoutXSeedling(LayoutX):
    """The same by the shipped small networks."""

    name: ClassVar[str] = "layout_x_seedling"
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.x",)


class LayoutYSeedling(LayoutY):
    """The same by the shipped small networks."""

    name: ClassVar[str] = "layout_y_seedling"
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.y",)


class LayoutSizeSeedling(LayoutSize):
    """The same by the shipped small networks."""

    name: ClassVar[str] = "layout_size_seedling"
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.size",)


class LayoutDepthSeedling(LayoutDepth):
    """The same by the shipped small networks."""

    name: ClassVar[str] = "layout_depth_seedling"
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.depth",)


class ObjectFoundRateSeedling(ObjectFoundRate):
    """The same by the shipped segmenter."""

    name: ClassVar[str] = "object_found_rate_seedling"
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.found",)
