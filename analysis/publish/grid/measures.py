"""What the page can order by: values of seeds, and of single images."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from analysis.cells.image_values import image_metrics, image_values
from analysis.metrics import Metric
from analysis.per_seed import read_per_seed
from analysis.ranking.rank import read_ranking
from analysis.statistics.arrays import Floats
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run

MOST_VALUES = 3_000_000
"""Values of single images in a page, at most: each takes 2.7 bytes."""
NONE = 65_535
"""Code of a cell without a value; 0 to 65,534 are values."""
DIGITS = 5

Measure = Mapping[str, Any]


def seed_measures(run: Run, seeds: Sequence[int]) -> list[Measure]:
    """Read the values of each seed: one entry for each metric and prompt set.

    Args:
        run: The run.
        seeds: The seeds in the order of the columns.

    Returns:
        Name, unit, direction, prompt set, and the values in the order of the seeds; none if the
        run is not measured, or was measured on an earlier grid.
    """
    try:
        frame = read_per_seed(run, of_this_grid=True)
    except GoldenseedError:
        return []
    keys = frame.select("metric", "prompt_set").unique(maintain_order=True).rows()
    return [
        _seed_measure(frame.filter(metric=metric, prompt_set=prompt_set), seeds)
        for metric, prompt_set in keys
    ]


def _seed_measure(rows: pl.DataFrame, seeds: Sequence[int]) -> Measure:
    first = rows.row(0, named=True)
    value = dict(zip(rows["seed"].to_list(), rows["value"].to_list(), strict=True))
    return {
        "name": first["metric"],
        "set": first["prompt_set"],
        "unit": first["unit"],
        "higher": first["higher_is_better"],
        "values": [_short(value.get(seed)) for seed in seeds],
    }


def listed_seeds(run: Run) -> Mapping[str, list[int]]:
    """Read the golden and the bad seeds; none if the run is not ranked."""
    try:
        ranking = read_ranking(run)
    except GoldenseedError:
        return {"golden": [], "bad": []}
    return {"golden": [*ranking.golden.seeds], "bad": [*ranking.bad.seeds]}


def image_measures(run: Run, seeds: Sequence[int], prompts: Sequence[str]) -> list[Measure]:
    """Read the values of each image, for all metrics that are a mean of one number per image.

    Args:
        run: The run.
        seeds: The seeds in the order of the columns.
        prompts: Ids of the prompts in the order of the rows.

    Returns:
        Name, unit, direction, lowest and highest value, and the values of all prompts of the first
        seed, then of the next, as base64 of 16-bit numbers, little-endian; see `NONE`. At most
        `MOST_VALUES` values.
    """
    most = MOST_VALUES // max(1, len(seeds) * len(prompts))
    measures: list[Measure] = []
    for metric in image_metrics(run):
        if len(measures) == most:
            break
        values = image_values(run, metric, seeds, prompts)
        if values is not None and _differ(values):
            measures.append(_image_measure(metric, values))
    return measures


def _differ(values: Floats) -> bool:
    """Whether there is anything to order by."""
    finite = values[np.isfinite(values)]
    return bool(finite.size) and float(finite.min()) < float(finite.max())


def _image_measure(metric: Metric, values: Floats) -> Measure:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return {
        "name": metric.name,
        "unit": metric.unit,
        "higher": metric.higher_is_better,
        "low": low,
        "high": high,
        "codes": base64.b64encode(to_codes(values, low, high).tobytes()).decode(),
    }


def to_codes(values: Floats, low: float, high: float) -> np.ndarray:
    """Write values as 16-bit numbers.

    Args:
        values: Any shape; NaN where there is no value.
        low: The value of code 0.
        high: The value of the highest code; above `low`.

    Example:
        >>> to_codes(np.array([0.0, 1.0, np.nan]), 0.0, 1.0).tolist()
        [0, 65534, 65535]
    """
    finite = np.isfinite(values)
    share = (np.where(finite, values, low) - low) / (high - low)
    return np.rint(np.where(finite, share * (NONE - 1), NONE)).astype("<u2")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
