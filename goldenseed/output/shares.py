"""How the table of variance shares looks."""

from collections.abc import Sequence

import polars as pl
from rich.table import Table

from goldenseed.output import tables


def print_shares(found: Sequence[tuple[str, pl.DataFrame]], *, as_json: bool) -> None:
    """Print the shares of one or several runs.

    Args:
        found: Of every run, its folder's name and its table (`analysis.seed_shares`).
        as_json: Print JSON.
    """
    if as_json:
        tables.line(tables.to_json([{"run": name, "measures": t.to_dicts()} for name, t in found]))
        return
    for name, frame in found:
        tables.console().print(_table(name, frame))
        methods = frame["method"].drop_nulls().unique(maintain_order=True).to_list()
        tables.line(f"Intervals: {'; '.join(methods) or 'none'}.")
    tables.line(
        "One cell is deterministic, so the rest is the interaction of seed and "
        "prompt. Negative shares are estimates of shares near 0, printed as they are. "
        "Null: owners permuted within each prompt."
    )


def _table(name: str, frame: pl.DataFrame) -> Table:
    return tables.columns(
        f"variance shares, run {name}",
        [
            {
                "measure": row["measure"],
                **{part: _share(row, part) for part in ("seed", "prompt", "rest")},
                "seed under the null": _null(row),
                "n": _counts(row),
                "note": row["note"],
            }
            for row in frame.to_dicts()
        ],
    )


def _share(row: dict[str, float | None], part: str) -> str:
    if row[part] is None:
        return "-"
    if row[f"{part}_low"] is None:
        return f"{row[part]:.1%}"
    return f"{row[part]:.1%} [{row[f'{part}_low']:.1%}, {row[f'{part}_high']:.1%}]"


def _null(row: dict[str, float | None]) -> str:
    if row["seed_p"] is None:
        return "-"
    return f"below {row['seed_null_high']:.1%}, p = {row['seed_p']:.3g}"


def _counts(row: dict[str, float | None]) -> str:
    if row["n"] is None:
        return "-"
    return f"{row['n']:,} ({row['seeds']:,} x {row['prompts']:,}, {row['groups']:,} groups)"
