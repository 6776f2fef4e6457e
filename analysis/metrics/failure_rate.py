"""Measure how many cells have no usable image: failed, not finite, or flagged as unsafe."""

from typing import ClassVar

from analysis.metrics.base import FAILED_CELL, ShareMetric


class FailureRate(ShareMetric):
    """How often a seed gives no image. This is the only metric that keeps failed cells."""

    name: ClassVar[str] = "failure_rate"
    version: ClassVar[int] = 2
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = (FAILED_CELL,)
    method: ClassVar[str] = "share of all cells of the set"
