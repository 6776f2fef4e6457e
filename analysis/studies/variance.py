"""How much of a picture's brightness, contrast ... belongs to the seed.

A seed that means the same for every prompt has a share of its own; where the noise comes from
prompt and seed together (the intervention `seed_scramble`) no such share can exist, and the
interval must cover 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from analysis.cells import Sample, read_cells
from analysis.statistics.variance import variance_shares
from pipeline.errors import RunError
from pipeline.runs import Run

COLUMNS = (
    "appearance.brightness",
    "appearance.contrast",
    "appearance.colourfulness",
    "appearance.saturation",
)
"""Scalar columns of features that vary in every run."""
SETS = (1, 2)
"""Nothing is chosen here, so both sets serve; set 3 is kept for reporting gains."""


def variance_table(
    run: Run, columns: str | Sequence[str] = COLUMNS, *, sets: Sequence[int] = SETS
) -> pl.DataFrame:
    """Variance shares of seed, prompt and rest for scalar features of a run.

    A cell is deterministic, so "rest" is the interaction of seed and prompt.

    Args:
        run: The run; the features must be extracted.
        columns: One or several scalar columns, each "feature.column".
        sets: Prompt sets whose prompts are used together.

    Returns:
        One row per column and source: column, source (seed, prompt, rest), share, low, high,
        n (cells), seeds, prompts, groups, method. Shares may be negative: they are estimates.

    Raises:
        RunError: If cells are missing, or a column holds vectors, or does not vary.
    """
    chosen = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    cells = read_cells(run, chosen, sets=sets)
    return pl.DataFrame([row for name in chosen for row in _rows(cells.sample([name]), name)])


def _rows(sample: Sample, name: str) -> list[dict[str, Any]]:
    values = sample.columns[name]
    if values.ndim != 2:
        raise RunError(f"{name} holds vectors; variance shares are of single numbers")
    try:
        shares = variance_shares(values.astype(np.float64), sample.groups)
    except ValueError as error:
        raise RunError(f"{name} has no variance shares in this run: {error}") from error
    return [
        {
            "column": name,
            "source": source,
            "share": interval.value,
            "low": interval.low,
            "high": interval.high,
            "n": interval.n,
            "seeds": len(sample.seeds),
            "prompts": sample.n,
            "groups": len(set(sample.groups.tolist())),
            "method": interval.method,
        }
        for source, interval in (
            ("seed", shares.seed),
            ("prompt", shares.prompt),
            ("rest", shares.rest),
        )
    ]
