"""Measure the cost of diverse images: missing objects, lost quality, and time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample, read_cells
from analysis.statistics.arrays import Indices
from analysis.study_tools.farthest_seeds import By
from analysis.study_tools.measured import REPORTING_SET, directed_metrics
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run


def share_found(by: By, sample: Sample, needs: Sequence[str], seeds: Indices) -> float | None:
    """Share of the images that show the object.

    Args:
        by: The space; only "composition" has objects.
        sample: The cells.
        needs: The columns of the space.
        seeds: Indices of the seeds whose images count, each as often as it occurs.

    Returns:
        The share, 0 to 1; None for a space without objects.
    """
    if by != "composition":
        return None
    return float(np.isfinite(sample.columns[needs[0]])[seeds.ravel()].mean())


def quality_of(run: Run, seeds: Indices, prompt_ids: Sequence[str]) -> dict[str, Any]:
    """Mean quality of the images of some seeds, by the recipe's first mean over images.

    Args:
        run: The run.
        seeds: Indices of the seeds whose images count, each as often as it occurs.
        prompt_ids: The prompts.

    Returns:
        "quality", None if it is not measured, and "quality_metric", its name and unit.
    """
    metrics = [metric for metric in directed_metrics(run) if metric.per_image_mean]
    if not metrics:
        return {"quality": None, "quality_metric": None}
    metric = metrics[0]
    try:
        sample = read_cells(run, metric.needs, sets=[REPORTING_SET]).sample(metric.needs)
    except GoldenseedError:
        return {"quality": None, "quality_metric": f"{metric.name}: not measured on set 3"}
    columns = [i for i, prompt in enumerate(sample.prompts) if prompt.id in set(prompt_ids)]
    values = metric.prepare(sample.only(metric.needs))[0][:, columns]
    return {
        "quality": float(values[seeds.ravel()].mean()),
        "quality_metric": f"{metric.name} ({metric.unit})",
    }


def seconds_per_image(run: Run) -> float | None:
    """Seconds per image, from the receipts of the shards; None if no receipt states them."""
    receipts = [r for r in run.images.receipts() if "seconds" in r.provenance]
    rows = sum(receipt.rows for receipt in receipts)
    seconds = sum(float(str(receipt.provenance["seconds"])) for receipt in receipts)
    return seconds / rows if rows else None
