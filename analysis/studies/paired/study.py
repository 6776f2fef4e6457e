"""`paired`: what a change of sampling or of weights does to the very same cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
from analysis.pictures.contact_sheet import pick_prompts
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.paired.pictures import (
    apart_by_feature,
    measure_pictures,
    paired_sheet,
    shared_prompts,
)
from analysis.studies.paired.rows import (
    DETAIL_COLUMNS,
    PICTURE_COLUMNS,
    RANK_COLUMNS,
    SHARE_COLUMNS,
    WIN_COLUMNS,
    Pair,
)
from analysis.study_tools.image_similarity import shared_embedding
from analysis.study_tools.measured import directed_metrics, identities
from analysis.study_tools.other_runs import other_runs, refuse_other_noise
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THIS = "this run"
SEEDS, SHOWN_SEEDS, SHOWN_PROMPTS = 16, 4, 8
"""Seeds whose pictures are measured; seeds and prompts on the contact sheet."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "wins": WIN_COLUMNS,
    "pictures": PICTURE_COLUMNS,
    "detail": DETAIL_COLUMNS,
    "shares": SHARE_COLUMNS,
    "ranks": RANK_COLUMNS,
}


@dataclass(frozen=True)
class Paired(Study):
    """What a change of sampling, guidance or weights does to the same prompts and seeds.

    Question: Are the pictures better with the change, how far does it alter them, does it change
        their fine detail, and do seeds mean as much, and the same, as without it?
    Method: Both runs have the same cells: the same seed, so the same noise, and the same prompt.
        Win rate and mean change of every metric that is a mean over images and has a better end.
        Distance of a cell's two pictures beside that of two seeds' pictures of one prompt, by
        features and by pixels. Log amplitude of luma per octave of spatial frequency. The seed's
        share of the variance of every metric that is a mean over images. Seeds' values across
        both runs and both prompt sets, corrected for their reliabilities. A sheet of the first
        seeds' pictures: nothing is picked. All prompt sets, but set 1 against set 2 for ranks.
    Null: The change does nothing: by prompt group, all seeds together, it is drawn which of both
        is the run with the change. For shares and ranks: within each prompt it is permuted which
        seed owns which image. A change that alters nothing has distance 0.
    n: One cell per seed and prompt that both have. Intervals are for other seeds and prompts.
        Pictures: of 16 seeds at most.
    Source: Si et al. 2024, "FreeU: Free Lunch in Diffusion U-Net", arXiv:2309.11497 (raters
        choosing between pictures with and without; Fourier amplitudes). Correction: Spearman
        1904.

    Attributes:
        runs: Name -> folder of a run with a change, from here or from this run's folder; the
            other arms of this run's recipe if empty.
        metrics: Names of metrics for win rates and ranks; those of the recipe that are means
            over images and have a better end if empty.
        prompts: Pictures are read of at most so many prompts.
        permutations: Draws of each null.
        draws: Bootstrap draws for ranks.
    """

    name: ClassVar[str] = "paired"
    version: ClassVar[int] = 3

    runs: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    prompts: int = 96
    permutations: int = 400
    draws: int = 1000

    def find(self, run: Run) -> Findings:
        """Compare with every other run."""
        chosen = self._chosen(run)
        others = other_runs(run, self.runs)
        if not chosen:
            raise RunError(
                f"the metrics are {', '.join(self.metrics or run.recipe.metrics) or 'none'}, and "
                f"none is a mean over images with a better end; this study needs one: add it to "
                f"the recipe's `metrics` (hps_v2_1, clip_score, preference_seedling)"
            )
        if not others:
            raise NotDrawnError(
                "0 other runs; this study needs at least 1: draw one and name it (--set "
                "'runs={freeu: runs/freeu}'), or draw a recipe with `arms` (freeu)",
                wanted_recipes(run),
            )
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        sheets: dict[str, bytes] = {}
        notes: list[str] = []
        for name, other in others.items():
            refuse_other_noise(run, name, other)
            found, sheet = self._pair(run, Pair(name, run, other), chosen)
            for table, own in found.items():
                rows[table] += own
            sheets |= {f"cells_{re.sub(r'[^A-Za-z0-9._-]', '_', name)}": s for s in sheet}
            notes += [] if sheet else [_no_pictures(name)]
        frames = {
            name: pl.DataFrame(own, dict.fromkeys(TABLES[name]), infer_schema_length=None)
            for name, own in rows.items()
        }
        return Findings(
            outcome="; ".join([*(_sentence(name, rows) for name in others), *notes]),
            numbers=rows,
            tables={name: StudyTable(frame, TABLES[name]) for name, frame in frames.items()},
            figures={"paired": _figure(rows), **sheets},
            recipes=wanted_recipes(run),
            identities=identities(run, metrics=chosen)
            | {f"run {name}": other.run_id for name, other in others.items()},
        )

    def _chosen(self, run: Run) -> list[Metric]:
        known = [load_metric(name) for name in self.metrics] or directed_metrics(run)
        return [m for m in known if m.per_image_mean and m.higher_is_better is not None]

    def _pair(
        self, run: Run, pair: Pair, chosen: Sequence[Metric]
    ) -> tuple[dict[str, list[dict[str, Any]]], list[bytes]]:
        """The rows of one change, and its contact sheet where there are pictures."""
        rng, count = self.rng(run, pair.name), self.permutations
        rows = {
            "wins": [pair.win_row(metric, rng, count) for metric in chosen],
            "shares": [pair.share_row(metric, rng, count) for metric in _measures(run)],
            "ranks": [pair.rank_row(metric, rng, count, self.draws) for metric in chosen],
        }
        runs = (pair.before, pair.after)
        seeds = sorted({*runs[0].seeds} & {*runs[1].seeds})[:SEEDS]
        apart = [apart_by_feature(runs, name, SEEDS) for name in shared_embedding(runs)]
        pictures = measure_pictures(runs, seeds, self.prompts)
        if pictures is None:
            return {**rows, "pictures": [pair.picture_row(one) for one in apart]}, []
        rows["pictures"] = [pair.picture_row(one) for one in (*apart, pictures[0])]
        rows["detail"] = pair.detail_rows(pictures[1], rng, count)
        both = shared_prompts(runs)
        shown = [p for p in pick_prompts(run, SHOWN_PROMPTS) if p.id in both]
        shown = shown or [run.prompts[own] for own in both[:SHOWN_PROMPTS]]
        named = {THIS: pair.before, pair.name: pair.after}
        return rows, [plots.image_png(paired_sheet(named, seeds[:SHOWN_SEEDS], shown))]


def _measures(run: Run) -> list[Metric]:
    """The recipe's metrics that are means over images, with a better end or without."""
    metrics = [load_metric(name) for name in dict.fromkeys(run.recipe.metrics)]
    return [metric for metric in metrics if metric.per_image_mean]


def _no_pictures(name: str) -> str:
    return (
        f"no picture of the same cells is kept by both this run and {name}: pixels, detail and "
        f"sheet are left out (`keep_images` of the recipe)"
    )


def _sentence(name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    own = {table: [row for row in each if row["other"] == name] for table, each in rows.items()}
    parts = [f"{name} ({own['wins'][0]['differs']})"]
    parts += [
        f"{row['metric']} better in {_number(row, 'win_rate', '.1%')} of {row['n']:,} cells "
        f"({row['seeds']:,} seeds, {row['groups']} prompt groups, ties {row['ties']:.0%}, "
        f"p = {row['p']:.2g})"
        for row in own["wins"]
    ]
    parts += [
        f"{row['measure']} altered by {_number(row, 'ratio', '.2f')} of what another seed alters"
        for row in own["pictures"]
    ]
    # The last band but one: the finest that is a whole ring, for the last is corners.
    parts += [
        f"log amplitude of {row['band']} cycles a side {_number(row, 'change', '+.3f')} "
        f"(p = {row['p']:.2g})"
        for row in own["detail"][-2:-1]
    ]
    parts += [
        f"seed's share of {row['metric']} {row['before']:.3f} (p = {row['before_p']:.2g}) > "
        f"{row['after']:.3f} (p = {row['after_p']:.2g}), change {_number(row, 'change', '+.3f')}"
        for row in own["shares"]
        if row["change"] is not None
    ]
    parts += [
        f"seeds by {row['metric']} carried over at {_number(row, 'cross', '.2f')}, 95 % of "
        f"permuted owners below {row['null_high']:.2f} (p = {row['p']:.2g}), {_corrected(row)}"
        for row in own["ranks"]
    ]
    return ", ".join(parts)


def _corrected(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["corrected_low"]):
        return "not to be corrected: no reliability"
    return f"corrected {_number(row, 'corrected', '.2f')}"


def _number(row: Mapping[str, Any], name: str, form: str) -> str:
    value, low, high = (format(row[f"{name}{end}"], form) for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]"


PANELS = (
    ("wins", "win_rate", "metric", 0.5, "share of cells better with the change"),
    ("pictures", "ratio", "measure", 1.0, "alters / what another seed alters"),
    ("detail", "change", "band", 0.0, "log amplitude by cycles per side, change"),
    ("shares", "change", "metric", 0.0, "seed's share of variance, change"),
    ("ranks", "cross", "metric", 0.0, "rank correlation of seeds across; red: 95 % of the null"),
)
"""Table, value, what a line is, where nothing is changed (pictures: another seed), axis."""
ENDS = ("", "_low", "_high")


def _figure(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """A panel per table, a line per row."""

    def draw(axes: "Axes", panel: Sequence[Any]) -> None:
        _panel(axes, _told(rows, panel), *panel[1:])

    shown = [panel for panel in PANELS if any(_told(rows, panel))]
    longest = max(len(_told(rows, panel)) for panel in shown)
    return plots.panel_each(shown, draw, width=4.5, height=1.3 + 0.2 * longest)


def _panel(
    axes: "Axes", own: Sequence[Mapping[str, Any]], value: str, label: str, line: float, words: str
) -> None:
    axes.axvline(line, color=plots.QUIET, linewidth=1)
    labels = [f"{row['other']}, {row[label]}" for row in own]
    plots.intervals(axes, labels, *([row[f"{value}{end}"] for row in own] for end in ENDS))
    if "null_high" in own[0]:
        null = [row["null_high"] for row in own]
        plots.scatter(axes, null, range(len(own)), colours=plots.BAD, size=25)
    axes.set_xlabel(words, fontsize=8)


def _told(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], panel: Sequence[Any]
) -> list[Mapping[str, Any]]:
    return [row for row in rows[panel[0]] if row[panel[1]] is not None]


def wanted_recipes(run: Run) -> dict[str, str]:
    """The same cells with FreeU, and without guidance."""
    factors = {"version": 1, "b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}
    changes: dict[str, dict[str, Any]] = {
        "freeu": {"intervention": {"name": "freeu", "parameters": factors}},
        "plain": {"guidance_scale": 1.0},
    }
    why = "The same cells with a change; then: goldenseed study paired RUN/baseline"
    return {"paired": recipe_like(run, {"arms": {"baseline": {}, **changes}}, note=why)}
