"""Estimate how much of the variance of an image's brightness, contrast ... is due to the seed.

The seed's share is the part of the variance that comes from effects that a seed has on all
prompts alike. If the noise depends on prompt and seed together (the intervention `seed_scramble`),
the true share is 0, and the interval must cover it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from analysis.cells.cells import Cells, Sample, read_cells
from analysis.features import load_feature
from analysis.metrics import Metric, load_metric
from analysis.statistics.arrays import Array
from analysis.statistics.seed_shares import compare_with_null
from analysis.statistics.variance import variance_shares
from pipeline.errors import RunError
from pipeline.runs.run import Run

SETS = (1, 2)
"""Both ranking sets are used, because no seed is chosen here. Set 3 is reserved for reporting the
gains of chosen seeds."""
NULL_DRAWS = 2000
"""Permutations behind a p-value; the smallest p-value, its floor, is 1 / 2,001."""
FEW_DRAWS = 200
"""Permutations for a first look, where no exact p-value is printed."""


def none_if_nan(value: float) -> float | None:
    """Return a number, or None for NaN."""
    return None if np.isnan(value) else value


@dataclass(frozen=True)
class Measure:
    """One number per image whose variance is divided into shares.

    Attributes:
        name: Name of the metric, or "feature.column" for a plain column.
        needs: The columns that the number is made from.
        metric: The metric that turns the columns into one number per image; None for a plain
            column.
    """

    name: str
    needs: tuple[str, ...]
    metric: Metric | None = None

    def values(self, sample: Sample) -> Array:
        """Return the number of each cell, shape (S, P), float64; NaN if a cell has none."""
        if self.metric is None:
            return np.asarray(sample.columns[self.needs[0]], dtype=np.float64)
        return self.metric.per_image(sample.only(self.needs))


def scalar_measures(run: Run) -> list[Measure]:
    """List the measures of a run that give one number per image.

    First come the metrics of the recipe that are means over images, then the scalar columns of its
    features. A column is left out if such a metric is made from that column alone.
    """
    metrics = [load_metric(name, model=run.card) for name in dict.fromkeys(run.recipe.metrics)]
    measures = [Measure(m.name, m.needs, m) for m in metrics if m.per_image_mean]
    covered = {measure.needs[0] for measure in measures if len(measure.needs) == 1}
    for name in dict.fromkeys(run.recipe.features):
        for column in load_feature(name).columns:
            column_name = f"{name}.{column.name}"
            if column_name not in covered and _is_number(column.type):
                measures.append(Measure(column_name, (column_name,)))
    return measures


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    )


def share_table(run: Run, *, sets: Sequence[int] = SETS, draws: int = NULL_DRAWS) -> pl.DataFrame:
    """Estimate the shares of seed, prompt and rest for each scalar measure of a run.

    For the null of the seed's share, images are assigned to seeds at random in each prompt group,
    alike for all prompts of a group: seeds have no effect as such, but may do something to single
    groups. The p-value is one-sided. The same run gives the same draws.

    Args:
        run: The run; its features must be extracted.
        sets: Prompt sets whose prompts are used together.
        draws: Permutations of the null.

    Returns:
        One row per measure: measure; the shares seed, prompt and rest, with bounds in `seed_low`,
        `seed_high` and so on; seed_null_high (97.5 % point of the null), seed_p (one-sided), its
        Monte-Carlo standard error seed_p_error and the number of draws; n (cells), seeds,
        prompts, groups, method; note, which says why shares or their bounds are null.

    Raises:
        RunError: If the run has no such measure, or cells are missing.
    """
    measures = scalar_measures(run)
    if not measures:
        raise RunError(f"recipe {run.recipe.name} has no measure with one number per image")
    needs = list(dict.fromkeys(need for measure in measures for need in measure.needs))
    cells = read_cells(run, needs, sets=sets)
    entropy = [int(run.run_id, 16), int(run.grid_hash, 16)]
    rows = [_shares(cells, m, np.random.default_rng(entropy), draws) for m in measures]
    return pl.DataFrame(rows, schema=SHARE_COLUMNS)


_PARTS = ("seed", "prompt", "rest")
SHARE_COLUMNS: dict[str, Any] = {
    "measure": pl.String,
    **{f"{part}{end}": pl.Float64 for part in _PARTS for end in ("", "_low", "_high")},
    "seed_null_high": pl.Float64,
    "seed_p": pl.Float64,
    "seed_p_error": pl.Float64,
    "draws": pl.Int64,
    **dict.fromkeys(("n", "seeds", "prompts", "groups"), pl.Int64),
    "method": pl.String,
    "note": pl.String,
}
"""Columns of `share_table`."""


def fewest_draws(run: Run) -> int:
    """Permutations for a first look that still let one measure of a run show an effect.

    The floor of a p-value, adjusted by Holm for the number of measures, is then below 5 %.
    """
    return max(FEW_DRAWS, 20 * len(scalar_measures(run)))


def _shares(cells: Cells, measure: Measure, rng: np.random.Generator, draws: int) -> dict[str, Any]:
    row: dict[str, Any] = {**dict.fromkeys(SHARE_COLUMNS), "measure": measure.name, "note": ""}
    if not cells.applicable(measure.needs).any():
        return {**row, "note": "applies to no prompt of this run"}
    sample = cells.sample(measure.needs)
    counts = {
        "seeds": len(sample.seeds),
        "prompts": sample.n,
        "groups": len(set(sample.groups.tolist())),
    }
    try:
        values = measure.values(sample)
        counts["n"] = int((~np.isnan(values)).sum())
        shares = variance_shares(values, sample.groups)
        seed = shares.seed
        null = compare_with_null(seed.value, values, sample.groups, rng, draws=draws)
    except ValueError as error:
        return {**row, **counts, "note": str(error)}
    for part in _PARTS:
        interval = getattr(shares, part)
        row[part] = interval.value
        row[f"{part}_low"] = none_if_nan(interval.low)
        row[f"{part}_high"] = none_if_nan(interval.high)
    bounded = row["seed_low"] is not None
    row |= {
        "seed_null_high": null.high,
        "seed_p": null.p,
        "seed_p_error": null.error,
        "draws": draws,
        "method" if bounded else "note": seed.method,
    }
    return {**row, **counts}
