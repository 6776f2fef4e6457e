"""Measure what diverse images cost: missing objects, quality, time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.statistics.arrays import Indices
from analysis.study_tools.farthest_seeds import By
from analysis.study_tools.measured import directed_metrics
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run

REPORTS = 3
"""The prompt set on which gains are reported."""


def share_found(by: By, sample: Sample, needs: Sequence[str], seeds: Indices) -> float | None:
    """Share of the images of some seeds that show the object; None unless `by` is composition."""
    if by != "composition":
        return None
    return float(np.isfinite(sample.columns[needs[0]])[seeds.ravel()].mean())


def quality_of(run: Run, seeds: Indices, prompt_ids: Sequence[str]) -> dict[str, Any]:
    """Mean quality of the images that a method draws, on set 3.

    Quality is the recipe's first metric that has a better end and is a mean over images.

    Args:
        run: The run.
        seeds: Indices of the seeds that the method draws, of any shape.
        prompt_ids: Prompts of set 3 that the method draws.

    Returns:
        "quality" and "quality_metric"; quality is None if there is no such metric, or it is not
        measured.
    """
    metrics = [metric for metric in directed_metrics(run) if metric.per_image_mean]
    if not metrics:
        return {"quality": None, "quality_metric": None}
    metric = metrics[0]
    try:
        sample = read_cells(run, metric.needs, sets=[REPORTS]).sample(metric.needs)
    except GoldenseedError:
        return {"quality": None, "quality_metric": f"{metric.name}: not measured on set 3"}
    wanted = [i for i, prompt in enumerate(sample.prompts) if prompt.id in set(prompt_ids)]
    values = metric.prepare(sample.only(metric.needs))[0][:, wanted]
    return {
        "quality": float(values[seeds.ravel()].mean()),
        "quality_metric": f"{metric.name} ({metric.unit})",
    }


def seconds_per_image(run: Run) -> float | None:
    """Seconds per image, from the shards' receipts; None if no receipt states a time."""
    receipts = [receipt for receipt in run.images.receipts() if "seconds" in receipt.provenance]
    rows = sum(receipt.rows for receipt in receipts)
    seconds = sum(float(str(receipt.provenance["seconds"])) for receipt in receipts)
    return seconds / rows if rows else None
