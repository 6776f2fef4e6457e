"""Print which shares of the variance are due to the seed, the prompt and the rest."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from analysis.seed_sentence import seed_sentence
from analysis.statistics.monte_carlo import p_words
from goldenseed.output import tables

LEVEL = 0.05
"""Below this p an effect counts as shown."""


def print_shares(shares: Sequence[tuple[str, pl.DataFrame]], *, as_json: bool) -> None:
    """Print the variance shares of runs.

    Args:
        shares: For each run, its folder's name and its table (`analysis.seed_shares`).
        as_json: Print JSON.
    """
    if as_json:
        tables.print_json([_as_dict(name, table.to_dicts()) for name, table in shares])
        return
    contrary = []
    for name, table in shares:
        contrary += [row["measure"] for row in table.to_dicts() if _disagrees(row)]
        tables.print_rows(f"variance shares, run {name}", [_row(row) for row in table.to_dicts()])
        methods = table["method"].drop_nulls().unique(maintain_order=True).to_list()
        tables.line(f"Intervals: {'; '.join(methods) or 'none'}.")
        draws = table["draws"].max()
        if isinstance(draws, int):
            tables.line(f"p: from {draws:,} permutations, so its floor is 1 / {draws + 1:,}.")
        tables.line(seed_sentence(table.to_dicts()))
    tables.line(
        "A cell always gives the same image, so the rest is the interaction of seed and prompt. "
        "An estimated share can be negative if the true share is near 0. "
        "Null: the images of each prompt group are permuted over the seeds, alike for all its "
        "prompts. p is one-sided; +- is its Monte-Carlo standard error."
    )
    if contrary:
        tables.line(
            f"{', '.join(dict.fromkeys(contrary))}: p and the interval disagree. Believe p on "
            f"whether the seed has any effect, because it compares with images whose seeds have "
            f"none; the interval says how large the share may be, and is rough near 0."
        )


def _as_dict(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"run": name, "sentence": seed_sentence(rows), "measures": rows}


def _disagrees(row: dict[str, Any]) -> bool:
    """Whether p finds an effect and the interval of the seed's share holds 0, or the reverse."""
    if row["seed_p"] is None or row["seed_low"] is None:
        return False
    return bool((row["seed_p"] <= LEVEL) == (row["seed_low"] <= 0))


def _row(row: dict[str, Any]) -> tables.Row:
    return {
        "measure": row["measure"],
        **{part: _share(row, part) for part in ("seed", "prompt", "rest")},
        "seed under the null": _null(row),
        "n": _counts(row),
        "note": row["note"],
    }


def _share(row: dict[str, Any], part: str) -> str:
    if row[part] is None:
        return "-"
    if row[f"{part}_low"] is None:
        return f"{row[part]:z.1%}"
    return f"{row[part]:z.1%} [{row[f'{part}_low']:z.1%}, {row[f'{part}_high']:z.1%}]"


def _null(row: dict[str, Any]) -> str:
    if row["seed_p"] is None:
        return "-"
    return f"below {row['seed_null_high']:z.1%}, {p_words(row['seed_p'], row['draws'], brief=True)}"


def _counts(row: dict[str, Any]) -> str:
    if row["n"] is None:
        return "-"
    return f"{row['n']:,} ({row['seeds']:,} x {row['prompts']:,}, {row['groups']:,} groups)"
