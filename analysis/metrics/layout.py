"""Average the `layout` feature: where a seed puts the object, how large, how near, how often.

The classes named Seedling average `layout_seedling` instead. Its shipped networks know only the
project's own drawn world, so their numbers have other names.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from analysis.metrics.base import MeanMetric, ShareMetric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.intervals import Interval

LEAST_FOUND = 0.5
"""Share of the images in which the object must be found for a mean to be shown."""


class FoundMetric(MeanMetric):
    """The mean over images of a number that only images with a found object have.

    Every seed keeps the same n prompts. An image without the object counts with the mean of the
    other seeds' images of that prompt. It then says nothing about its seed, and the seed is not
    compared on easier prompts than the others, as it would be if the image were left out. The
    difference of a seed from the others is thereby shrunken by its share of such images. A
    prompt whose object no seed shows counts the same for all seeds. The metric is refused where
    less than half of the images show the object; `object_found_rate` is reported in addition.
    """

    method: ClassVar[str] = "mean over images; not found: mean of the prompt's other images"
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = None

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """Refuse if less than half of the images show the object."""
        share = float(np.isfinite(columns[self.needs[0]]).mean())
        if share < LEAST_FOUND:
            return f"the object was found in {share:.0%} of the images; {LEAST_FOUND:.0%} is needed"
        return ""

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the numbers, with every gap filled."""
        return (fill_not_found(columns[self.needs[0]]),)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Compute means with cluster-robust intervals; `method` says how many images count."""
        counts = np.isfinite(columns[self.needs[0]]).sum(axis=1)
        return [
            replace(interval, method=f"{interval.method}; {count} of {interval.n} found")
            for interval, count in zip(super().compute(columns, groups), counts, strict=True)
        ]

    def per_image(self, columns: Mapping[str, Array]) -> Floats:
        """Return the numbers as they are, NaN where the object was not found.

        Variance shares of the filled gaps would be shares of the filling.
        """
        return np.asarray(columns[self.needs[0]], dtype=np.float64)


def fill_not_found(values: Array) -> Floats:
    """Replace NaN by the mean of the other seeds' values of the same prompt.

    Args:
        values: Shape (S, P, ...); NaN means not found.

    Returns:
        The same shape, float64, finite. A prompt without any value gets the mean of the other
        prompts.

    Raises:
        ValueError: If all values are NaN.

    Example:
        >>> fill_not_found(np.array([[1.0, 0.0], [np.nan, 0.5]])).tolist()
        [[1.0, 0.0], [1.0, 0.5]]
    """
    x = np.asarray(values, dtype=np.float64)
    is_found = np.isfinite(x)
    if not is_found.any():
        raise ValueError("the object was found in no image at all")
    counts = is_found.sum(axis=0)
    means = np.where(is_found, x, 0).sum(axis=0) / np.maximum(counts, 1)
    overall = (means * (counts > 0)).sum(axis=0) / np.maximum((counts > 0).sum(axis=0), 1)
    return np.asarray(np.where(is_found, x, np.where(counts > 0, means, overall)))


class LayoutX(FoundMetric):
    """Mean horizontal position of the object."""

    name: ClassVar[str] = "layout_x"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.x",)


class LayoutY(FoundMetric):
    """Mean vertical position of the object, from the top."""

    name: ClassVar[str] = "layout_y"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.y",)


class LayoutSize(FoundMetric):
    """Mean share of the image that the object covers."""

    name: ClassVar[str] = "layout_size"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("layout.size",)


class LayoutDepth(FoundMetric):
    """Mean share of the image that is nearer than the object."""

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
    """`LayoutX` by the shipped small networks."""

    name: ClassVar[str] = "layout_x_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.x",)


class LayoutYSeedling(LayoutY):
    """`LayoutY` by the shipped small networks."""

    name: ClassVar[str] = "layout_y_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.y",)


class LayoutSizeSeedling(LayoutSize):
    """`LayoutSize` by the shipped small networks."""

    name: ClassVar[str] = "layout_size_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.size",)


class LayoutDepthSeedling(LayoutDepth):
    """`LayoutDepth` by the shipped small networks."""

    name: ClassVar[str] = "layout_depth_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.depth",)


class ObjectFoundRateSeedling(ObjectFoundRate):
    """`ObjectFoundRate` by the shipped segmenter."""

    name: ClassVar[str] = "object_found_rate_seedling"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("layout_seedling.found",)
