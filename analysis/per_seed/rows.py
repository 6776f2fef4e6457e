"""Compute the rows of one metric for some seeds, or say why it cannot be shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Array


def group_refusal(sample: Sample) -> str:
    """Say why these prompt groups allow no interval; empty if they do."""
    return groups_refusal(sample.groups)


def groups_refusal(groups: Array | Sequence[str]) -> str:
    """Say why prompts of these groups allow no interval; empty if they do.

    A variance needs two groups, and a distance without the largest group still needs 2 images.

    Args:
        groups: The group of each prompt.
    """
    count, sizes = len(groups), np.unique(groups, return_counts=True)[1]
    if len(sizes) >= 2 and count - sizes.max() >= 2:
        return ""
    return (
        f"{count} images per seed in {len(sizes)} prompt group(s), {sizes.max(initial=0)} in "
        f"the largest; at least 2 images must lie outside the largest group: add prompts"
    )


def finite_refusal(metric: Metric, columns: Mapping[str, Array]) -> str:
    """Say that a metric cannot be computed because numbers are missing; empty if it can.

    Args:
        metric: The metric.
        columns: Each of `metric.needs` -> shape (S, P, ...).
    """
    means = metric.per_image_mean
    numbers = [metric.values(metric.prepare(columns))] if means else list(columns.values())
    if all(np.isfinite(values).all() for values in numbers):
        return ""
    return f"values that are not finite numbers: look for NaN in {', '.join(metric.needs)}"


def seed_rows(metric: Metric, sample: Sample) -> tuple[list[dict[str, Any]], str]:
    """Compute the columns of rows that differ between seeds, or say why they cannot be shown."""
    columns = sample.only(metric.needs)
    refusal = metric.refusal(columns) or finite_refusal(metric, columns) or group_refusal(sample)
    if refusal:
        return [], refusal
    intervals = metric.compute(columns, sample.groups)
    rows = [
        {
            "seed": seed,
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
            "n": interval.n,
            "method": f"{metric.method}; {interval.method}",
        }
        for seed, interval in zip(sample.seeds, intervals, strict=True)
    ]
    return rows, ""
