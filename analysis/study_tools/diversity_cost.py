"""What diverse images cost: objects that are not there, quality, time."""

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


def share_found(by: By, sample: Sample, needs: Sequence[str], places: Indices) -> float | None:
    """Share of the images of some seeds that show the object; None for a space without objects."""
    if by != "composition":
        return None
    return float(np.isfinite(sample.columns[needs[0]])[places.ravel()].mean())


def quality_of(run: Run, places: Indices, prompt_ids: Sequence[str]) -> dict[str, Any]:
    """Mean of the recipe's first metric of single images over the images that a method draws."""
    metrics = [one for one in directed_metrics(run) if one.per_image_mean]
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
        "quality": float(values[places.ravel()].mean()),
        "quality_metric": f"{metric.name} ({metric.unit})",
    }


def seconds_per_image(run: Run) -> float | None:
    """Seconds an image, as the shards' receipts state them; None where none does."""
    receipts = [each for each in run.images.receipts() if "seconds" in each.provenance]
    rows = sum(each.rows for each in receipts)
    return sum(float(str(each.provenance["seconds"])) for each in receipts) / rows if rows else None
