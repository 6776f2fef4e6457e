"""Compute the table `per_seed.parquet` of a run: one row per seed, metric and prompt set.

The table is derived data: it is computed again from the feature shards each time.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from analysis.cells.cells import Cells, Sample, read_cells, read_status, seed_blocks
from analysis.extraction.extract import run_feature
from analysis.metrics import Metric, load_metric
from analysis.statistics.arrays import Array
from pipeline.errors import RunError
from pipeline.runs.layout import PER_SEED_FILE
from pipeline.runs.run import Run
from pipeline.storage.derived import read_derived_table, replace_table
from pipeline.storage.parquet import FOOTER_KEY
from pipeline.storage.schema import PER_SEED

LOGGER = logging.getLogger(__name__)

SETS = (1, 2)
"""Prompt sets that are measured: set 1 chooses, set 2 confirms. Set 3 is kept to report gains."""


def measure(
    run: Run, metrics: Sequence[str], *, n: int | None = None, sets: Sequence[int] = SETS
) -> pl.DataFrame:
    """Compute metrics of all seeds and write the run's `per_seed.parquet`.

    The features of metrics with `computed_in_blocks` are read for a block of seeds at a time (see
    `seed_blocks`), because the vectors of all seeds may not fit into memory.

    Args:
        run: The run; its features must be extracted.
        metrics: Names in the metric registry.
        n: Prompts of each set to use, in the order of their ids; if None, as many as
            `metric_prompts` of the recipe says, or else all.
        sets: Prompt sets, each measured separately.

    Returns:
        The table `pipeline.storage.schema.PER_SEED`, one row per (metric, set, seed). A metric
        that cannot be shown is left out, with a warning that says why.

    Raises:
        RegistryError: If a metric is unknown.
        RunError: If cells are missing, or too many failed: see `Cells.sample`.
    """
    loaded = {name: load_metric(name, model=run.card) for name in metrics}
    at_once = [metric for metric in loaded.values() if not metric.computed_in_blocks]
    needs = list(dict.fromkeys(need for metric in at_once for need in metric.needs))
    counts = run.recipe.metric_prompts if n is None else dict.fromkeys(metrics, n)
    rows: list[dict[str, Any]] = []
    for prompt_set in sets:
        cells = read_cells(run, needs, sets=[prompt_set])
        for name, metric in loaded.items():
            samples = _samples(run, metric, cells, prompt_set, counts.get(name))
            rows += metric_rows(run, metric, samples, prompt_set)
    table = pa.Table.from_pylist(rows, schema=PER_SEED.arrow())
    provenance = {"run_id": run.run_id, "grid_hash": run.grid_hash, "sets": list(sets)}
    replace_table(run.store, PER_SEED_FILE, table, provenance=provenance)
    return _frame(table)


def metric_identity(run: Run, metric: Metric) -> str:
    """Return the identity of a metric with the features of a run.

    A feature that the recipe measures on a share of the prompts has another identity.
    """
    return metric.identity([run_feature(run, name).identity() for name in metric.features])


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


def _samples(
    run: Run, metric: Metric, cells: Cells, prompt_set: int, n: int | None
) -> Iterable[Sample]:
    """Read the samples of a metric, seeds in order.

    If the metric applies to no prompt, there are none, and a warning says so.
    """
    if metric.computed_in_blocks:
        status = read_status(run, metric.needs, sets=[prompt_set])
        if _applies(metric, status, prompt_set):
            return seed_blocks(run, metric.needs, sets=[prompt_set], n=n)
    elif _applies(metric, cells, prompt_set):
        return [cells.sample(metric.needs, n=n)]
    return []


def _applies(metric: Metric, cells: Cells, prompt_set: int) -> bool:
    """Whether the metric's features apply to any prompt of the set; a warning if not."""
    applicable = cells.applicable(metric.needs)
    if applicable.any():
        return True
    features = ", ".join(metric.features)
    reason = f"{features} applies to none of its {applicable.size} prompts"
    if not applicable.size:
        reason = groups_refusal([])
    LOGGER.warning("%s is not shown for set %d: %s", metric.name, prompt_set, reason)
    return False


def metric_rows(
    run: Run, metric: Metric, samples: Iterable[Sample], prompt_set: int
) -> list[dict[str, Any]]:
    """Compute the rows of a metric on a prompt set.

    If the metric cannot be shown, there are none, and a warning says why.
    """
    rows: list[dict[str, Any]] = []
    for block, refusal in map(partial(_seed_rows, metric), samples):  # `map` keeps no sample
        if refusal:
            LOGGER.warning("%s is not shown for set %d: %s", metric.name, prompt_set, refusal)
            return []
        rows += block
    if not rows:
        return []
    shared: Mapping[str, Any] = {
        "metric": metric.name,
        "metric_id": metric_identity(run, metric),
        "prompt_set": prompt_set,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }
    return [{**shared, **row} for row in rows]


def _seed_rows(metric: Metric, sample: Sample) -> tuple[list[dict[str, Any]], str]:
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


def read_per_seed(run: Run, *, of_this_grid: bool = False) -> pl.DataFrame:
    """Read the table that `measure` wrote last.

    Args:
        run: The run.
        of_this_grid: Refuse a table of an earlier grid.

    Raises:
        RunError: If the run has not been measured, or had another grid then.
        ShardError: If the table is damaged.
    """
    path = run.store.path(PER_SEED_FILE)
    if not path.exists():
        raise RunError(f"{run.root} holds no {PER_SEED_FILE}; run `goldenseed measure` first")
    table = read_derived_table(run.store, PER_SEED_FILE)
    if of_this_grid and _grid_of(table) != run.grid_hash:
        raise RunError(f"{path} is of an earlier grid; run `goldenseed measure` again")
    return _frame(table)


def _grid_of(table: pa.Table) -> str:
    return str(json.loads(table.schema.metadata[FOOTER_KEY])["grid_hash"])


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"a table became {type(frame).__name__}")
    return frame
