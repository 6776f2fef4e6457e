"""The table of all seeds: ranks, lists and metrics, column by column."""

import polars as pl

from analysis.per_seed import read_per_seed
from analysis.publish.report.available import Part, attempt, short
from analysis.ranking.result import Ranking
from pipeline.runs.run import Run

SHOWN_SET = 2
"""Set 1 chose the seeds, so the values of set 2 are shown; those of set 1 where it has none."""

BETTER = {True: "higher", False: "lower", None: ""}


def seed_table(run: Run, ranking: Ranking | None) -> Part:
    """Make the table.

    Returns:
        `seeds`; `lists`: "golden", "bad" or "" for each; `columns`: each with `key`, `label`,
        `unit`, `better` ("higher", "lower" or ""), `value`, and for a metric `low`, `high`, `n`;
        `missing`: why there are no metrics.
    """
    seeds = [*run.seeds]
    frame, reason = attempt(run, lambda: read_per_seed(run, of_this_grid=True))
    columns = [] if ranking is None else _ranks(seeds, ranking)
    lists = [""] * len(seeds)
    if ranking is not None:
        named = dict.fromkeys(ranking.golden.seeds, "golden") | dict.fromkeys(
            ranking.bad.seeds, "bad"
        )
        lists = [named.get(seed, "") for seed in seeds]
    if frame is not None:
        columns += [_metric(seeds, name, frame) for name in _names(frame, ranking)]
    return {"seeds": seeds, "lists": lists, "columns": columns, "missing": reason}


def _ranks(seeds: list[int], ranking: Ranking) -> list[Part]:
    rows = {row.seed: row for row in ranking.seeds}
    chosen: dict[str, tuple[str, str]] = {
        "rank_set1": ("rank, set 1", "lower"),
        "rank_set2": ("rank, set 2", "lower"),
        "expected": (f"{ranking.metric}, expected", BETTER[ranking.higher_is_better]),
    }
    return [
        {
            "key": key,
            "label": label,
            "unit": "" if key.startswith("rank") else ranking.unit,
            "better": better,
            "value": short([getattr(rows.get(seed), key, None) for seed in seeds]),
        }
        for key, (label, better) in chosen.items()
        if any(getattr(row, key) is not None for row in ranking.seeds)
    ]


def _names(frame: pl.DataFrame, ranking: Ranking | None) -> list[str]:
    """The metrics, the ranking's own first."""
    names = frame["metric"].unique(maintain_order=True).to_list()
    first = "" if ranking is None else ranking.metric
    return sorted(names, key=lambda name: name != first)


def _metric(seeds: list[int], name: str, frame: pl.DataFrame) -> Part:
    rows = frame.filter(metric=name)
    shown = SHOWN_SET if SHOWN_SET in rows["prompt_set"] else int(rows["prompt_set"][0])
    rows = pl.DataFrame({"seed": seeds}).join(
        rows.filter(prompt_set=shown), on="seed", how="left", maintain_order="left"
    )
    known = rows.filter(pl.col("n").is_not_null())
    return {
        "key": name,
        "label": name,
        "unit": f"{known['unit'][0]}, set {shown}",
        "better": BETTER[known["higher_is_better"][0]],
        **{key: short(rows[key].to_list()) for key in ("value", "low", "high")},
        "n": int(known["n"].max()),  # type: ignore[arg-type]
        "method": known["method"][0],
    }
