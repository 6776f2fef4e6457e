"""`share_changes`: the seed's share of the variance in a run, and how other runs change it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample, read_cells
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.seed_shares import NULL_DRAWS, SETS, Measure, none_if_nan, scalar_measures
from analysis.statistics.arrays import Floats
from analysis.statistics.embedding import holm
from analysis.statistics.monte_carlo import p_words
from analysis.statistics.seed_shares import compare_with_null, seed_share_change, share_change_p
from analysis.statistics.variance import variance_shares
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.measured import features_of, identities, require, shared_features
from analysis.study_tools.other_runs import align, differences, other_runs
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THIS = "this run"
LEAST_SEEDS, LEAST_GROUPS = 8, 4

COLUMNS = {
    "measure": "metric, or feature.column: one number per image",
    "run": "name of the run",
    "differs": "settings in which it differs: this run's value > the other run's",
    "seeds": "seeds that all runs share",
    "groups": "prompt groups that all runs share",
    "n": "cells with a value",
    "share": "the seed's share of the variance over cells; an estimate, so it may be below 0",
    "low": "lower end of its 95 % interval; null where the measure is too rare for one",
    "high": "upper end",
    "null_high": "97.5th percentile of the share under the null",
    "p": "share of null draws with at least this share; one-sided",
    "p_error": "Monte-Carlo standard error of p",
    "change": "share minus this run's, over the cells that both have; null for this run itself",
    "change_low": "lower end of its 95 % interval; null where the measure is too rare for one",
    "change_high": "upper end",
    "change_p": "two-sided p of the change; null where it has no interval",
    "change_p_holm": "change_p adjusted by Holm for all changes of this table",
    "change_n": "cells with a value in both runs, from which the change is estimated",
}
CHANGES = ("change", "change_low", "change_high", "change_p", "change_n")
_FLOATS = ("share", "low", "high", "null_high", "p", "p_error", *CHANGES[:-1], "change_p_holm")


@dataclass(frozen=True)
class ShareChanges(Study):
    """The seed's share of the variance of every number per image, in this run and in others.

    Question: How much of the layout and the look of images does the seed explain, and does another
        model, an intervention or a condition make that more or less?
    Method: The variance of each measure is split among seed, prompt and their interaction, over
        the seeds and prompts of sets 1 and 2 that all runs share. The change of the seed's share
        has an interval of its own: a jackknife of the difference over seeds and prompt groups. Its
        p-value is adjusted by Holm for all changes that the study reports.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds, alike for
        all its prompts, so that what seeds do to single groups stays. One-sided.
    n: Cells; seeds and prompt groups.
    Source: Ours; Xu, Zhang and Shi 2024, arXiv:2405.14828, show layouts and styles by seed.

    Attributes:
        runs: Name -> folder of another run, relative to the current folder or to this run's; if
            empty, the other arms of this run's recipe.
        measures: Names of measures; if empty, everything that all runs measure.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "share_changes"
    version: ClassVar[int] = 3

    runs: dict[str, str] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    permutations: int = NULL_DRAWS

    def find(self, run: Run) -> Findings:
        """Estimate the shares of every measure in every run."""
        runs = {THIS: run, **other_runs(run, self.runs)}
        measures = self._measures(runs)
        rows: list[dict[str, Any]] = []
        refused: list[str] = []
        for measure in measures:
            self._add(runs, measure, rows, refused)
        if not rows:
            raise RunError(
                "; ".join(refused)
                or "the runs measure no number per image in common; this study needs one: add a "
                "feature such as appearance to `features`"
            )
        rows = _adjusted(rows)
        used = [measure for measure in measures if measure.name in {row["measure"] for row in rows}]
        frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(_FLOATS, pl.Float64))
        control = {"sampling": {"intervention": {"name": "seed_scramble"}}}
        return Findings(
            outcome="; ".join([*_sentences(rows, self.permutations), *refused]),
            numbers={"shares": rows, "refused": refused},
            tables={"shares": StudyTable(frame.select(list(COLUMNS)), COLUMNS)},
            figures={"shares": shares_figure(rows)},
            recipes={
                "scrambled": recipe_like(run, control, note="The control: a run without seeds.")
            },
            identities=_identities(run, used)
            | {f"run {name}": other.run_id for name, other in runs.items()},
        )

    def _measures(self, runs: Mapping[str, Run]) -> list[Measure]:
        """List the measures of all runs; if the settings name measures, only these."""
        shared = set(shared_features(list(runs.values())))
        known = [m for m in scalar_measures(runs[THIS]) if set(features_of(m.needs)) <= shared]
        for name in self.measures:
            if name not in {measure.name for measure in known}:
                names = ", ".join(measure.name for measure in known) or "none"
                raise RunError(
                    f"{name} is not measured in all runs; this study needs one of: {names}"
                )
        return [m for m in known if not self.measures or m.name in self.measures]

    def _add(
        self,
        runs: Mapping[str, Run],
        measure: Measure,
        rows: list[dict[str, Any]],
        refused: list[str],
    ) -> None:
        """Add a row per run for one measure, this run first, or the reason why it has none."""
        try:
            samples = align({name: _sample(run, measure) for name, run in runs.items()})
            sample = samples[THIS]
            require(len(sample.seeds), LEAST_SEEDS, "seeds in all runs")
            require(len(set(sample.groups.tolist())), LEAST_GROUPS, "prompt groups in all runs")
        except RunError as error:
            refused.append(f"{measure.name} is left out: {error}")
            return
        grids = {name: measure.values(each) for name, each in samples.items()}
        for name, grid in grids.items():
            try:
                rows.append(
                    {
                        "measure": measure.name,
                        "run": name,
                        "differs": "" if name == THIS else differences(runs[THIS], runs[name]),
                        "seeds": len(sample.seeds),
                        "groups": len(set(sample.groups.tolist())),
                        **self._share(runs[name], measure, grid, sample),
                        **_change(grids[THIS], grid, sample, is_this_run=name == THIS),
                    }
                )
            except ValueError as error:
                refused.append(f"{measure.name} of {name} is left out: {error}")
                if name == THIS:
                    return

    def _share(self, run: Run, measure: Measure, grid: Floats, sample: Sample) -> dict[str, Any]:
        """The share of the seed, its interval and its null."""
        share = variance_shares(grid, sample.groups).seed
        rng = self.rng(run, measure.name)
        null = compare_with_null(share.value, grid, sample.groups, rng, draws=self.permutations)
        return {
            "n": share.n,
            "share": share.value,
            "low": none_if_nan(share.low),
            "high": none_if_nan(share.high),
            "null_high": null.high,
            "p": null.p,
            "p_error": null.error,
        }


def _sample(run: Run, measure: Measure) -> Sample:
    """The measure's columns in prompt sets 1 and 2."""
    return read_cells(run, measure.needs, sets=SETS).sample(measure.needs)


def _identities(run: Run, measures: Sequence[Measure]) -> dict[str, str]:
    """The identities that the numbers depend on."""
    metrics = [measure.metric for measure in measures if measure.metric]
    needs = [need for measure in measures for need in measure.needs]
    return identities(run, metrics=metrics, needs=needs)


def _change(before: Floats, after: Floats, sample: Sample, *, is_this_run: bool) -> dict[str, Any]:
    """The change of the share, over the cells that have a value in both runs."""
    if is_this_run:
        return dict.fromkeys(CHANGES)
    change = seed_share_change(before, after, sample.groups)
    groups = len(set(sample.groups.tolist()))
    p = share_change_p(change, len(sample.seeds), groups)
    known = [none_if_nan(number) for number in (change.low, change.high, p)]
    return dict(zip(CHANGES, (change.value, *known, change.n), strict=True))


def _adjusted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the p-values of all their changes adjusted for one another."""
    p_values = [row["change_p"] for row in rows if row["change_p"] is not None]
    adjusted = iter(holm(np.array(p_values)).tolist())
    return [
        row | {"change_p_holm": None if row["change_p"] is None else next(adjusted)} for row in rows
    ]


def _sentences(rows: Sequence[dict[str, Any]], draws: int) -> list[str]:
    """One sentence per measure."""
    sentences = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        this, *others = (row for row in rows if row["measure"] == measure)
        ends = "" if this["low"] is None else f" [{this['low']:.1%}, {this['high']:.1%}]"
        null = f"without seeds up to {this['null_high']:.1%}, {p_words(this['p'], draws)}"
        changes = [f"{row['run']} {row['share']:.1%}{_change_text(row)}" for row in others]
        sentences.append(
            f"{measure}: the seed explains {this['share']:.1%}{ends} ({null}); {', '.join(changes)}"
        )
    return [text.rstrip("; ") for text in sentences]


def _change_text(row: Mapping[str, Any]) -> str:
    """The change with its interval; empty if it has none."""
    if row["change_low"] is None:
        return ""
    ends = f"[{row['change_low']:+.1%}, {row['change_high']:+.1%}]"
    return f" ({row['change']:+.1%} {ends}, adjusted p = {row['change_p_holm']:.2g})"


def shares_figure(rows: Sequence[dict[str, Any]]) -> DrawnFigure:
    """One panel per measure: the share in each run with its interval, and the null."""

    def draw(axes: "Axes", measure: str) -> None:
        _panel(axes, measure, [row for row in rows if row["measure"] == measure])

    largest: dict[str, float] = {}
    for row in rows:
        largest[row["measure"]] = max(largest.get(row["measure"], 0.0), row["share"])
    measures = sorted(largest, key=lambda measure: -largest[measure])
    runs = len({row["run"] for row in rows})
    if runs == 1:
        return _one_run_figure(sorted(rows, key=lambda row: -row["share"]))
    return plots.panel_each(
        measures,
        draw,
        title="The seed's share of the variance of each measure",
        caption="The seed's share of the variance in this run and in the runs that it is compared "
        "with, with 95 % intervals. Purple bars: what seeds without an effect would show. The "
        "measures with the largest shares come first.",
        width=4.4,
        height=1.2 + 0.28 * runs,
    )


def _one_run_figure(rows: Sequence[dict[str, Any]]) -> DrawnFigure:
    """All measures in one panel."""

    def draw(figure: "Figure") -> None:
        (axes,) = plots.panels(figure, 1, 1)
        _panel(axes, "", [row | {"run": row["measure"]} for row in rows])

    return plots.figure(
        draw,
        title="The seed's share of the variance of each measure",
        caption="The seed's share of the variance of each measure, with its 95 % interval. Purple "
        "bars: what seeds without an effect would show.",
        width=7,
        height=1.2 + 0.28 * len(rows),
    )


def _panel(axes: "Axes", measure: str, rows: Sequence[dict[str, Any]]) -> None:
    """Draw one measure; a share without an interval is only a dot."""
    shares = [row["share"] for row in rows]
    low, high = (
        [row["share"] if row[end] is None else row[end] for row in rows] for end in ("low", "high")
    )
    labels = [row["run"] for row in rows]
    plots.intervals(axes, labels, shares, low, high, name="the seed's share, 95 % interval")
    nulls = plots.column(rows, "null_high")
    plots.null_ticks(axes, nulls, name="seeds without an effect, 97.5th percentile")
    axes.axvline(0, color=plots.QUIET, linewidth=0.8)
    axes.set(title=measure, xlabel="the seed's share")
