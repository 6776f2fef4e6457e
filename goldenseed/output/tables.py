"""How results look on stdout: tables for people, JSON for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.publish.sheet import SHEET
from analysis.ranking.result import Ranking
from goldenseed.progress import duration, note
from goldenseed.steps.plan import ArmPlan
from goldenseed.steps.status import Status
from goldenseed.steps.steps import Result
from goldenseed.steps.verify import Checked

End = tuple[Ranking, Sequence[Mapping[str, Any]], Path]
"""A ranking, the seed's variance shares, and the release."""
LISTED = 10
"""Golden seeds and bad seeds that a table shows, at most; with 1,024 there are hundreds."""


def line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def to_json(value: object) -> str:
    """How the command writes JSON."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def result(value: object, *, as_json: bool, table: Table) -> None:
    """Print a result either way."""
    if as_json:
        line(to_json(value))
    else:
        console().print(table)


def console() -> Console:
    """Stdout; a wide page where it is not a terminal, so that tables are never cut."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def columns(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """A table of rows with the same keys; texts are shown as they are, never as markup."""
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(plain(str(value))) for value in row.values()))
    return table


def plain(text: str) -> str:
    r"""A text without control characters, which could move a terminal's cursor or colours.

    Example:
        >>> plain("a \x1b[31mcup")
        'a [31mcup'
    """
    return "".join(letter for letter in text if letter.isprintable() or letter == " ")


def number_of_bytes(count: float) -> str:
    """A size as people say it.

    Example:
        >>> number_of_bytes(512), number_of_bytes(48_700_000), number_of_bytes(8.7e12)
        ('512 B', '48.7 MB', '8.7 TB')
    """
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} {units[0]}" if units[0] == "B" else f"{count:.1f} {units[0]}"


def plan_table(plans: Sequence[ArmPlan]) -> Table:
    """A plan for people."""
    rows = [
        {
            "arm": plan.arm or "-",
            "card": plan.card,
            "prompts": f"{plan.prompts:,}",
            "seeds": f"{plan.seeds:,}",
            "images": f"{plan.cells:,}",
            "shards": f"{plan.shards:,} ({plan.done:,} there)",
            "size": number_of_bytes(plan.image_bytes),
            "time": _plan_time(plan),
        }
        for plan in plans
    ]
    table = columns("plan: nothing is drawn", rows)
    said = zip(*((plan.basis, plan.measuring, plan.expect) for plan in plans), strict=True)
    table.caption = ".\n".join(line for each in said for line in sorted(set(each)))
    table.caption_justify = "left"
    return table


def _plan_time(plan: ArmPlan) -> str:
    if plan.seconds is None:
        return "unknown"
    if plan.gpu_hours is None:
        return duration(plan.seconds)
    return f"{plan.gpu_hours:,.1f} GPU-hours"


def status_table(found: Sequence[Status]) -> Table:
    """The state of runs for people."""
    rows = [
        {
            "run": status.run,
            "run_id": status.run_id,
            "images": f"{status.drawn:,} of {status.cells:,}",
            "failed": f"{status.failed:,}",
            "shards": f"{status.shards_done:,} of {status.shards:,}",
            "size": number_of_bytes(status.image_bytes),
            "features": _features(status),
            "ranked": "yes" if status.ranked else "no",
            "releases": ", ".join(status.releases) or "-",
        }
        for status in found
    ]
    return columns("status", rows)


def statuses(found: Sequence[Status], *, as_json: bool) -> None:
    """The state of runs and, for people, what their studies found."""
    result([s.as_dict() for s in found], as_json=as_json, table=status_table(found))
    findings([status.studies for status in found if not as_json])


def findings(found: Sequence[Mapping[str, str]]) -> None:
    """What studies found in runs, one line each.

    Args:
        found: Of every run, name of a study -> its outcome.
    """
    for studies in found:
        for name, outcome in studies.items():
            line(f"{name}: {plain(outcome)}")


def _features(status: Status) -> str:
    parts = [f"{name} {done:,}/{status.shards:,}" for name, done in status.features.items()]
    return ", ".join(parts) or "-"


def steps(results: Sequence[Result]) -> None:
    """What the steps came to, on stderr."""
    for step in results:
        text = f"{step.step}: {step.done:,} images done now"
        if step.failed:
            text += f", {step.failed:,} of them without a usable image (kept as rows, with reason)"
        if step.truncated:
            text += f"; {step.truncated:,} prompts were longer than the text encoder and cut"
        note(text)


class Verification:
    """What verification found, shard by shard.

    Attributes:
        checked: Shards and release files read back.
        problems: The damaged ones: name, problem, and whether it was set aside.
    """

    def __init__(self) -> None:
        self.checked = 0
        self.problems: list[dict[str, Any]] = []

    def add(self, found: Checked, *, repaired: bool) -> None:
        """Count one file."""
        self.checked += 1
        if found.problem:
            row = {"name": found.name, "problem": found.problem, "set_aside": repaired}
            self.problems.append(row)

    def print(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            line(to_json({"checked": self.checked, "problems": self.problems}))
            return
        for row in self.problems:
            line(f"{row['name']}: {row['problem']}" + " (set aside)" * row["set_aside"])
        if not self.problems:
            line(f"{self.checked:,} files read back, all as their receipts say")
            return
        aside = sum(row["set_aside"] for row in self.problems)
        advice = "`goldenseed run` makes what was set aside again" if aside else "try --repair"
        line(f"{len(self.problems):,} of {self.checked:,} files are damaged; {advice}")


def rankings(found: Sequence[Ranking], *, as_json: bool) -> None:
    """Rankings, with what chance gives."""
    if as_json:
        line(to_json([json.loads(ranking.to_json()) for ranking in found]))
        return
    for ranking in found:
        _ranking(ranking)


def _ranking(ranking: Ranking) -> None:
    """The best and the worst of one ranking as a table, then the evidence in words."""
    by_rank = sorted(ranking.seeds, key=lambda one: one.rank_set2)
    golden = [seed for seed in by_rank if seed.seed in ranking.golden.seeds]
    bad = [seed for seed in by_rank if seed.seed in ranking.bad.seeds]
    rows = [
        {
            "list": name,
            "seed": seed.seed,
            f"{ranking.metric}, set 2": f"{seed.value:.4g}",
            "95 % interval": f"{seed.low:.4g} to {seed.high:.4g}",
            "n": seed.n,
            "rank, set 1": f"{seed.rank_set1:g}",
            "rank, set 2": f"{seed.rank_set2:g}",
        }
        for name, seeds in (("golden", golden[:LISTED]), ("bad", bad[-LISTED:]))
        for seed in seeds
    ]
    if rows:
        title = f"seeds by {ranking.metric}: chosen on set 1, confirmed and valued on set 2"
        console().print(columns(title, rows))
    if len(golden) + len(bad) > len(rows):
        line(
            f"At most {LISTED} of each: of {len(golden)} golden seeds the best, of {len(bad)} bad "
            f"ones the worst; `rank --json` and the release list all."
        )
    for text in _evidence(ranking):
        line(text)


def _evidence(ranking: Ranking) -> list[str]:
    """What the lists rest on, and what chance would give."""
    correlation, reliability, gap = ranking.rank_correlation, ranking.reliability, ranking.gap
    return [
        f"Golden seeds: {ranking.golden.verdict}",
        f"Bad seeds: {ranking.bad.verdict}",
        f"{ranking.n_seeds} seeds; {ranking.n_set1} prompts in set 1, {ranking.n_set2} in set 2; "
        f"rank correlation of the sets {correlation.value:.2f} "
        f"[{correlation.low:.2f}, {correlation.high:.2f}], "
        f"reliability with {reliability.n} images per seed {reliability.value:.2f} "
        f"[{reliability.low:.2f}, {reliability.high:.2f}].",
        f"Best less worst seed on set 2: {gap.value:.4g}; with permuted owners (no seed effect) "
        f"{gap.null_mean:.4g} on average, p = {gap.p:.3g}.",
        *[note for note in (ranking.floor_note, ranking.at_infinity_note) if note],
        f"By the stricter rule (expected share of wrong seeds at most 10 %; not calibrated below "
        f"about 250 seeds) {len(ranking.strict_golden)} seeds would be golden.",
    ]


def releases(found: Sequence[Path], *, as_json: bool) -> None:
    """Where releases are."""
    if as_json:
        line(to_json([str(path) for path in found]))
        return
    for path in found:
        sheet = path / SHEET
        line(f"release: {shown(path)}")
        if sheet.exists():
            line(f"contact sheet (best, middle and worst seeds): {shown(sheet)}")


def conclusion(ends: Sequence[End], *, as_json: bool) -> None:
    """The end of `run`: lists, evidence, and where everything is.

    Args:
        ends: Of every arm, its ranking, the seed's variance shares, and its release.
        as_json: Print JSON.
    """
    if as_json:
        names = ("ranking", "seed_shares", "release")
        rows = [(json.loads(r.to_json()), shares, str(path)) for r, shares, path in ends]
        line(to_json([dict(zip(names, row, strict=True)) for row in rows]))
        return
    for ranking, shares, path in ends:
        _ranking(ranking)
        if shares:
            line(f"The seed's share of the variance: {', '.join(map(_share, shares))}.")
        releases([path], as_json=False)


def _share(row: Mapping[str, Any]) -> str:
    name = row["column"].removeprefix("appearance.")
    bounds = "" if row["low"] is None else f" [{row['low']:.1%}, {row['high']:.1%}]"
    return f"{name} {row['share']:.1%}{bounds}"


def shown(path: Path) -> Path:
    """A path relative to here where it is below, for shorter lines."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
