"""`paired`: what a change of sampling or of weights does to the same cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.pictures.contact_sheet import pick_prompts
from analysis.pictures.plots import DrawnFigure
from analysis.seed_shares import NULL_DRAWS
from analysis.statistics.monte_carlo import p_words
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.paired.figures import changes_figure, paired_sheet
from analysis.studies.paired.images import feature_distances, measure_images, shared_prompts
from analysis.studies.paired.rows import (
    DETAIL_COLUMNS,
    PICTURE_COLUMNS,
    RANK_COLUMNS,
    SHARE_COLUMNS,
    WIN_COLUMNS,
    Pair,
)
from analysis.study_tools.image_similarity import shared_embedding
from analysis.study_tools.measured import directed_metrics, identities, named_metrics
from analysis.study_tools.other_runs import other_runs, refuse_other_noise
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

THIS = "this run"
SEEDS, SHOWN_SEEDS, SHOWN_PROMPTS = 16, 4, 8
"""Seeds whose images are measured, at most; seeds and prompts on the contact sheet."""

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

    Question: Are the images better with the change, how far does it alter them, does it change
        their fine detail, and do seeds have the same effects, as strongly, as without it?
    Method: Both runs have the same cells: the same prompt and the same seed, hence the same noise.
        Reported are: the win rate and the mean change of every metric that is a mean over images
        and has a better direction; the distance of the two images of a cell, compared with that of
        the images of two seeds for one prompt, by features and by pixels; the log amplitude of
        luma per octave of spatial frequency; the seed's share of the variance of every metric that
        is a mean over images; the rank correlation of the seeds across both runs and both prompt
        sets, corrected for attenuation by their reliabilities; and a contact sheet of the first
        seeds, which are not selected. All prompt sets are used, except for ranks: set 1 against
        set 2.
    Null: The change has no effect: the two runs are exchanged at random in each prompt group, for
        all seeds together. For shares and ranks, no seed effect: in each prompt group, the
        images are permuted among the seeds. A change that alters nothing has distance 0.
    n: One cell per seed and prompt that both runs have. Intervals are over seeds and prompts.
        Images of at most 16 seeds are compared.
    Source: Si et al. 2024, "FreeU: Free Lunch in Diffusion U-Net", arXiv:2309.11497 (raters
        choose between images with and without; Fourier amplitudes). Correction for attenuation:
        Spearman 1904.

    Attributes:
        runs: Name -> folder of a run with a change, relative to the current folder or to this
            run's; if empty, the other arms of this run's recipe.
        metrics: Names of metrics for win rates and ranks; if empty, those of the recipe that are
            means over images and have a better direction.
        prompts: Number of prompts whose images are compared, at most.
        permutations: Draws of the null of the ranks; the other nulls have 2,000.
        draws: Bootstrap draws for ranks.
    """

    name: ClassVar[str] = "paired"
    version: ClassVar[int] = 4

    runs: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    prompts: int = 96
    permutations: int = 400
    draws: int = 1000

    def find(self, run: Run) -> Findings:
        """Compare the run with every other run."""
        metrics = self._metrics(run)
        others = other_runs(run, self.runs)
        if not others:
            raise NotDrawnError(
                "0 other runs; this study needs at least 1: draw one and name it (--set "
                "'runs={freeu: runs/freeu}'), or draw a recipe with `arms` (freeu)",
                wanted_recipes(run),
            )
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        sheets: dict[str, DrawnFigure] = {}
        notes: list[str] = []
        for name, other in others.items():
            refuse_other_noise(run, name, other)
            pair_rows, sheet = self._pair(run, Pair(name, run, other), metrics)
            for table, new in pair_rows.items():
                rows[table] += new
            if sheet is None:
                notes.append(_no_images_note(name))
            else:
                sheets[f"cells_{re.sub(r'[^A-Za-z0-9._-]', '_', name)}"] = sheet
        frames = {
            name: pl.DataFrame(table, dict.fromkeys(TABLES[name]), infer_schema_length=None)
            for name, table in rows.items()
        }
        return Findings(
            outcome="; ".join(
                [*(_sentence(name, rows, self.permutations) for name in others), *notes]
            ),
            numbers=rows,
            tables={name: StudyTable(frame, TABLES[name]) for name, frame in frames.items()},
            figures={"paired": changes_figure(rows), **sheets},
            recipes=wanted_recipes(run),
            identities=identities(run, metrics=metrics)
            | {f"run {name}": other.run_id for name, other in others.items()},
        )

    def _metrics(self, run: Run) -> list[Metric]:
        """List the metrics for win rates and ranks.

        Raises:
            RunError: If the runs have no such metric.
        """
        known = named_metrics(run, self.metrics) or directed_metrics(run)
        metrics = [m for m in known if m.per_image_mean and m.higher_is_better is not None]
        if not metrics:
            raise RunError(
                f"the metrics are {', '.join(self.metrics or run.recipe.metrics) or 'none'}, and "
                f"none is a mean over images for which one direction is better; this study needs "
                f"one: add it to the recipe's `metrics` (hps_v2_1, clip_score, preference_seedling)"
            )
        return metrics

    def _pair(
        self, run: Run, pair: Pair, metrics: Sequence[Metric]
    ) -> tuple[dict[str, list[dict[str, Any]]], DrawnFigure | None]:
        """The rows of one change, and its contact sheet if both runs keep images."""
        rng, count = self.rng(run, pair.name), self.permutations
        rows = {
            "wins": [pair.win_row(metric, rng, NULL_DRAWS) for metric in metrics],
            "shares": [pair.share_row(metric, rng, NULL_DRAWS) for metric in _mean_metrics(run)],
            "ranks": [pair.rank_row(metric, rng, count, self.draws) for metric in metrics],
        }
        runs = (pair.before, pair.after)
        seeds = sorted({*runs[0].seeds} & {*runs[1].seeds})[:SEEDS]
        distances = [feature_distances(runs, name, SEEDS) for name in shared_embedding(runs)]
        images = measure_images(runs, seeds, self.prompts)
        if images is None:
            return {**rows, "pictures": [pair.image_row(each) for each in distances]}, None
        rows["pictures"] = [pair.image_row(each) for each in (*distances, images[0])]
        rows["detail"] = pair.detail_rows(images[1], rng, count)
        return rows, _sheet(run, pair, seeds)


def _sheet(run: Run, pair: Pair, seeds: Sequence[int]) -> DrawnFigure:
    """The contact sheet of one change."""
    shared = shared_prompts((pair.before, pair.after))
    prompts = [p for p in pick_prompts(run, SHOWN_PROMPTS) if p.id in shared]
    prompts = prompts or [run.prompts[prompt_id] for prompt_id in shared[:SHOWN_PROMPTS]]
    runs = {THIS: pair.before, pair.name: pair.after}
    caption = "The same seeds and prompts (columns) without and with the change, row below row."
    return plots.sheet(paired_sheet(runs, seeds[:SHOWN_SEEDS], prompts), caption)


def _mean_metrics(run: Run) -> list[Metric]:
    """The recipe's metrics that are means over images, with or without a better direction."""
    metrics = named_metrics(run, dict.fromkeys(run.recipe.metrics))
    return [metric for metric in metrics if metric.per_image_mean]


def _no_images_note(name: str) -> str:
    return (
        f"no image of the same cells is kept by both this run and {name}: pixels, detail and "
        f"sheet are left out (`keep_images` of the recipe)"
    )


def _sentence(name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], draws: int) -> str:
    of_run = {
        table: [row for row in table_rows if row["other"] == name]
        for table, table_rows in rows.items()
    }
    parts = [f"{name} ({of_run['wins'][0]['differs']})"]
    parts += [
        f"{row['metric']} better in {_number(row, 'win_rate', '.1%')} of {row['n']:,} cells "
        f"({row['seeds']:,} seeds, {row['groups']} prompt groups, ties {row['ties']:z.0%}, "
        f"{p_words(row['p'], NULL_DRAWS)})"
        for row in of_run["wins"]
    ]
    parts += [
        f"{row['measure']} altered {_number(row, 'ratio', '.2f')} times as much as by another seed"
        for row in of_run["pictures"]
    ]
    # The last band but one is the finest that is a whole ring; the last has only corners.
    parts += [
        f"log amplitude at {row['band']} cycles per side {_number(row, 'change', '+.3f')} "
        f"({p_words(row['p'], NULL_DRAWS)})"
        for row in of_run["detail"][-2:-1]
    ]
    parts += [
        f"seed's share of {row['metric']} {row['before']:z.3f} ("
        f"{p_words(row['before_p'], NULL_DRAWS)}) > {row['after']:z.3f} ("
        f"{p_words(row['after_p'], NULL_DRAWS)}), change {_number(row, 'change', '+.3f')}"
        for row in of_run["shares"]
        if row["change"] is not None
    ]
    parts += [
        f"rank correlation of seeds by {row['metric']} {_number(row, 'cross', '.2f')}, without a "
        f"seed effect at most {row['null_high']:z.2f} ({p_words(row['p'], draws)}), "
        f"{_corrected_text(row)}"
        for row in of_run["ranks"]
    ]
    return ", ".join(parts)


def _corrected_text(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["corrected_low"]):
        return "not corrected, because a reliability is too low"
    return f"corrected {_number(row, 'corrected', '.2f')}"


def _number(row: Mapping[str, Any], name: str, form: str) -> str:
    value, low, high = (format(row[f"{name}{end}"], form) for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]"


def wanted_recipes(run: Run) -> dict[str, str]:
    """Write the recipe of the same cells with FreeU, and without guidance."""
    factors = {"version": 1, "b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}
    changes: dict[str, dict[str, Any]] = {
        "freeu": {"intervention": {"name": "freeu", "parameters": factors}},
        "plain": {"guidance_scale": 1.0},
    }
    note = "The same cells with a change. Then: goldenseed study paired RUN/baseline"
    return {"paired": recipe_like(run, {"arms": {"baseline": {}, **changes}}, note=note)}
