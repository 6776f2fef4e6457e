"""Compute the table `per_seed.parquet` of a run: one row per seed, metric and prompt set.

The table is derived data: it is computed again from the feature shards each time.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from analysis.cells.cells import Cells, read_each_set, read_status
from analysis.extraction.extract import run_feature
from analysis.metrics import Metric, load_metric
from analysis.per_seed.parts import MeasuredPart, MeasureStage, Part, Wanted, plan_parts
from analysis.per_seed.rows import groups_refusal, seed_rows
from pipeline.errors import RunError
from pipeline.runs.layout import PER_SEED_FILE
from pipeline.runs.run import Run
from pipeline.stage import Outcome
from pipeline.storage.derived import read_derived_table, replace_table
from pipeline.storage.parquet import FOOTER_KEY
from pipeline.storage.schema import PER_SEED

LOGGER = logging.getLogger(__name__)

SETS = (1, 2)
"""Prompt sets that are measured: set 1 chooses, set 2 confirms. Set 3 is kept to report gains."""

Rows = list[dict[str, Any]]
Spread = Callable[[MeasureStage, Sequence[Part]], Iterable[Outcome]]
"""Runs a stage on an executor."""


def measure(
    run: Run,
    metrics: Sequence[str],
    *,
    n: int | None = None,
    sets: Sequence[int] = SETS,
    spread: Spread | None = None,
) -> pl.DataFrame:
    """Compute metrics of all seeds and write the run's `per_seed.parquet`.

    The features of metrics with `computed_in_blocks` are read for a part of the seeds at a time
    (see `analysis.per_seed.parts`), because the vectors of all seeds may not fit into memory.

    Args:
        run: The run; its features must be extracted.
        metrics: Names in the metric registry.
        n: Prompts of each set to use, in the order of their ids; if None, as many as
            `metric_prompts` of the recipe says, or else all.
        sets: Prompt sets, each measured separately.
        spread: Measures several parts in other processes; None for this one. A run that is one part
            is measured here: it takes less time than to start another process.

    Returns:
        The table `pipeline.storage.schema.PER_SEED`, one row per (metric, set, seed). A metric
        that cannot be shown is left out, with a warning that says why.

    Raises:
        RegistryError: If a metric is unknown.
        RunError: If cells are missing, or too many failed: see `Cells.sample`; or if one seed takes
            more memory than the recipe allows.
    """
    loaded = {name: load_metric(name, model=run.card) for name in metrics}
    counts = run.recipe.metric_prompts if n is None else dict.fromkeys(metrics, n)
    at_once = {name: each for name, each in loaded.items() if not each.computed_in_blocks}
    in_parts = {name: each for name, each in loaded.items() if each.computed_in_blocks}
    found = _measure_at_once(run, at_once, sets, counts)
    found |= _measure_in_parts(run, in_parts, sets, counts, spread)
    keys = [(number, name) for number in sets for name in loaded]
    rows = [row for key in keys for row in _table_rows(run, loaded[key[1]], key[0], found.get(key))]
    table = pa.Table.from_pylist(rows, schema=PER_SEED.arrow())
    provenance = {"run_id": run.run_id, "grid_hash": run.grid_hash, "sets": list(sets)}
    replace_table(run.store, PER_SEED_FILE, table, provenance=provenance)
    return _frame(table)


def metric_identity(run: Run, metric: Metric) -> str:
    """Return the identity of a metric with the features of a run.

    A feature that the recipe measures on a share of the prompts has another identity.
    """
    return metric.identity([run_feature(run, name).identity() for name in metric.features])


Found = dict[tuple[int, str], tuple[Rows, str]]
"""(Prompt set, metric) -> its rows, or why it cannot be shown."""


def _measure_at_once(
    run: Run, metrics: Mapping[str, Metric], sets: Sequence[int], counts: Mapping[str, int]
) -> Found:
    """Compute metrics of one number per image from the cells of all seeds."""
    needs = list(dict.fromkeys(need for metric in metrics.values() for need in metric.needs))
    if not needs:
        return {}
    found: Found = {}
    for number, cells in zip(sets, read_each_set(run, needs, sets=sets), strict=True):
        for name, metric in metrics.items():
            reason = _inapplicable(metric, cells)
            found[number, name] = (
                ([], reason)
                if reason
                else seed_rows(metric, cells.sample(metric.needs, n=counts.get(name)))
            )
    return found


def _measure_in_parts(
    run: Run,
    metrics: Mapping[str, Metric],
    sets: Sequence[int],
    counts: Mapping[str, int],
    spread: Spread | None,
) -> Found:
    """Compute metrics of vectors, a part of the seeds at a time."""
    needs = list(dict.fromkeys(need for metric in metrics.values() for need in metric.needs))
    if not needs:
        return {}
    found: Found = {}
    wanted = []
    status = read_status(run, needs, sets=sets)
    for number in sets:
        cells = status.of_set(number)
        for name, metric in metrics.items():
            if reason := _inapplicable(metric, cells):
                found[number, name] = ([], reason)
                continue
            kept, _ = cells.prompt_indices(metric.needs, n=counts.get(name))
            wanted.append(Wanted(name, number, tuple(cells.prompts[i].id for i in kept)))
    outcomes = _outcomes(run, metrics, wanted, spread) if wanted else []
    for index, each in enumerate(wanted):
        refusal = next((part.refusals[index] for part in outcomes if part.refusals[index]), "")
        rows = [row for part in outcomes for row in part.rows[index]]
        found[each.prompt_set, each.metric] = ([] if refusal else rows, refusal)
    return found


def _outcomes(
    run: Run, metrics: Mapping[str, Metric], wanted: Sequence[Wanted], spread: Spread | None
) -> list[MeasuredPart]:
    """Measure all parts, here or elsewhere; the results are in the order of the seeds."""
    parts, memory = plan_parts(run, metrics, wanted)
    stage = MeasureStage(run.root, run.recipe, wanted, memory=memory)
    here = spread is None or len(parts) == 1
    outcomes = map(stage.run, parts) if here or spread is None else spread(stage, parts)
    measured = {}
    for outcome in outcomes:
        if not isinstance(outcome, MeasuredPart):
            raise RunError(f"{outcome.task_id} could not be measured: {outcome.error}")
        measured[outcome.task_id] = outcome
    return [measured[part.id] for part in parts]


def _inapplicable(metric: Metric, cells: Cells) -> str:
    """Say why a metric has no prompt in a set to which its features apply; empty if it has."""
    applicable = cells.applicable(metric.needs)
    if applicable.any():
        return ""
    if not applicable.size:
        return groups_refusal([])
    return f"{', '.join(metric.features)} applies to none of its {applicable.size} prompts"


def _table_rows(run: Run, metric: Metric, prompt_set: int, found: tuple[Rows, str] | None) -> Rows:
    """Complete the rows of a metric on a prompt set; if it cannot be shown, a warning says why."""
    rows, refusal = found or ([], "")
    if refusal:
        LOGGER.warning("%s is not shown for set %d: %s", metric.name, prompt_set, refusal)
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


def read_per_seed(run: Run, *, of_this_grid: bool = False) -> pl.DataFrame:
    """Read the table that `measure` wrote last.

    Args:
        run: The run.
        of_this_grid: Refuse a table of an earlier grid.

    Raises:
        RunError: If the run has not been measured, or had another grid then.
        ShardError: If the table is damaged.
    """
    if not run.store.exists(PER_SEED_FILE):
        raise RunError(f"{run.root} holds no {PER_SEED_FILE}; run `goldenseed measure` first")
    table = read_derived_table(run.store, PER_SEED_FILE)
    if of_this_grid and _grid_of(table) != run.grid_hash:
        file = run.root / PER_SEED_FILE
        raise RunError(f"{file} is of an earlier grid; run `goldenseed measure` again")
    return _frame(table)


def _grid_of(table: pa.Table) -> str:
    return str(json.loads(table.schema.metadata[FOOTER_KEY])["grid_hash"])


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"a table became {type(frame).__name__}")
    return frame
