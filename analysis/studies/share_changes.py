"""`share_changes`: how much of layout and look is the seed's, and what a change makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample, read_cells
from analysis.pictures import plots
from analysis.seed_shares import NULL_DRAWS, SETS, Measure, bound, scalar_measures
from analysis.statistics.arrays import Floats
from analysis.statistics.seed_shares import beside_null, seed_share_change
from analysis.statistics.variance import variance_shares
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.measured import features_of, identities, require, shared_features
from analysis.study_tools.other_runs import aligned, differences, other_runs
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THIS = "this run"
LEAST_SEEDS, LEAST_GROUPS = 8, 4

COLUMNS = {
    "measure": "metric, or feature.column: one number per image",
    "run": "name of the run",
    "differs": "what it is drawn differently with: this run's setting > its own",
    "seeds": "seeds that all runs have",
    "groups": "prompt groups that all runs have",
    "n": "cells with a value",
    "share": "the seed's share of the variance over cells; an estimate, so it may be below 0",
    "low": "lower end of its 95 % interval; null where the measure is too rare for one",
    "high": "upper end",
    "null_high": "97.5 % point of the share with permuted owners",
    "p": "share of permuted draws with at least as high a share",
    "change": "share less this run's, over the cells that both have; null for this run itself",
    "change_low": "lower end of its 95 % interval; null where the measure is too rare for one",
    "change_high": "upper end",
    "change_n": "cells with a value in both runs, on which the change is measured",
}
CHANGES = ("change", "change_low", "change_high", "change_n")
_FLOATS = ("share", "low", "high", "null_high", "p", "change", "change_low", "change_high")


@dataclass(frozen=True)
class ShareChanges(Study):
    """The seed's share of everything that is one number per image, here and in other runs.

    Question: How much of where things stand and what pictures look like is the seed's, and does
        another model, an intervention or a condition take it from the seed or give it more?
    Method: Variance shares of seed, prompt and their interaction over the seeds and prompts that
        all runs have, prompt sets 1 and 2; the change of the seed's share with an interval of
        its own, a jackknife of the difference over seeds and prompt groups.
    Null: within each prompt it is permuted which seed owns which image.
    n: cells; seeds and prompt groups.
    Source: Ours; Xu, Zhang and Shi 2024, arXiv:2405.14828, show layouts and styles by seed.

    Attributes:
        runs: Name -> folder of another run, from here or from this run's folder; the other arms
            of this run's recipe if empty.
        measures: Names; everything that all runs measure if empty.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "share_changes"
    version: ClassVar[int] = 1

    runs: dict[str, str] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    permutations: int = NULL_DRAWS

    def find(self, run: Run) -> Findings:
        """Share out the variance of every measure in every run."""
        runs = {THIS: run, **other_runs(run, self.runs)}
        measures = self._measures(runs)
        rows: list[dict[str, Any]] = []
        refused: list[str] = []
        for measure in measures:
            self._add(runs, measure, rows, refused)
        if not rows:
            raise RunError("; ".join(refused) or "nothing is measured that this study needs")
        used = [measure for measure in measures if measure.name in {row["measure"] for row in rows}]
        frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(_FLOATS, pl.Float64))
        control = {"sampling": {"intervention": {"name": "seed_scramble"}}}
        return Findings(
            outcome="; ".join([*_sentences(rows), *refused]),
            numbers={"shares": rows, "refused": refused},
            tables={"shares": StudyTable(frame.select(list(COLUMNS)), COLUMNS)},
            figures={"shares": _figure(rows)},
            recipes={"scrambled": recipe_like(run, control, note="The control: no seed at all.")},
            identities=_identities(run, used)
            | {f"run {name}": each.run_id for name, each in runs.items()},
        )

    def _measures(self, runs: Mapping[str, Run]) -> list[Measure]:
        """What all runs measure, or those that were asked for."""
        shared = set(shared_features(list(runs.values())))
        known = [m for m in scalar_measures(runs[THIS]) if set(features_of(m.needs)) <= shared]
        for name in self.measures:
            if name not in {measure.name for measure in known}:
                names = ", ".join(measure.name for measure in known) or "none"
                raise RunError(f"{name} is not measured in all runs; needed is one of: {names}")
        return [m for m in known if not self.measures or m.name in self.measures]

    def _add(
        self,
        runs: Mapping[str, Run],
        measure: Measure,
        rows: list[dict[str, Any]],
        refused: list[str],
    ) -> None:
        """One measure: a row per run, this run first; what has no share is refused by name."""
        try:
            samples = aligned({name: _sample(each, measure) for name, each in runs.items()})
            own = samples[THIS]
            require(len(own.seeds), LEAST_SEEDS, "seeds in all runs")
            require(len(set(own.groups.tolist())), LEAST_GROUPS, "prompt groups in all runs")
        except RunError as error:
            refused.append(f"{measure.name} is left out: {error}")
            return
        values = {name: measure.values(each) for name, each in samples.items()}
        for name, grid in values.items():
            try:
                rows.append(
                    {
                        "measure": measure.name,
                        "run": name,
                        "differs": "" if name == THIS else differences(runs[THIS], runs[name]),
                        "seeds": len(own.seeds),
                        "groups": len(set(own.groups.tolist())),
                        **self._share(runs[name], measure, grid, own),
                        **_change(values[THIS], grid, own, itself=name == THIS),
                    }
                )
            except ValueError as error:
                refused.append(f"{measure.name} of {name} is left out: {error}")
                if name == THIS:
                    return

    def _share(self, run: Run, measure: Measure, grid: Floats, own: Sample) -> dict[str, Any]:
        """The share of the seed, its interval and its null."""
        share = variance_shares(grid, own.groups).seed
        rng = self.rng(run, measure.name)
        null = beside_null(share.value, grid, own.groups, rng, draws=self.permutations)
        return {
            "n": share.n,
            "share": share.value,
            "low": bound(share.low),
            "high": bound(share.high),
            "null_high": null.high,
            "p": null.p,
        }


def _sample(run: Run, measure: Measure) -> Sample:
    """The measure's columns in prompt sets 1 and 2."""
    return read_cells(run, measure.needs, sets=SETS).sample(measure.needs)


def _identities(run: Run, measures: Sequence[Measure]) -> dict[str, str]:
    """What the numbers hang on."""
    metrics = [measure.metric for measure in measures if measure.metric]
    return identities(run, metrics=metrics, needs=[n for each in measures for n in each.needs])


def _change(before: Floats, after: Floats, own: Sample, *, itself: bool) -> dict[str, Any]:
    """What became of the share, over the cells that have a value in both runs."""
    if itself:
        return dict.fromkeys(CHANGES)
    found = seed_share_change(before, after, own.groups)
    ends = (bound(found.low), bound(found.high))
    return dict(zip(CHANGES, (found.value, *ends, found.n), strict=True))


def _sentences(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One a measure."""
    found = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        mine, *others = (row for row in rows if row["measure"] == measure)
        told = [f"{row['run']} {row['share']:.1%}{_change_words(row)}" for row in others]
        ends = "" if mine["low"] is None else f" [{mine['low']:.1%}, {mine['high']:.1%}]"
        null = f"{mine['null_high']:.1%} without seeds, p = {mine['p']:.2g}"
        found.append(f"{measure}: the seed's {mine['share']:.1%}{ends} ({null}); {', '.join(told)}")
    return [text.rstrip("; ") for text in found]


def _change_words(row: Mapping[str, Any]) -> str:
    """The change with its interval, where there is one."""
    if row["change_low"] is None:
        return ""
    return f" ({row['change']:+.1%} [{row['change_low']:+.1%}, {row['change_high']:+.1%}])"


def _figure(rows: Sequence[dict[str, Any]]) -> bytes:
    """A panel a measure: every run's share with its interval, and what the null reaches."""

    def draw(axes: "Axes", measure: str) -> None:
        _panel(axes, measure, [row for row in rows if row["measure"] == measure])

    measures = list(dict.fromkeys(row["measure"] for row in rows))
    runs = len({row["run"] for row in rows})
    return plots.panel_each(measures, draw, width=4.4, height=1.3 + 0.28 * runs)


def _panel(axes: "Axes", measure: str, rows: Sequence[dict[str, Any]]) -> None:
    """One measure; a share without an interval is a dot alone."""
    shares = [row["share"] for row in rows]
    low, high = (
        [row["share"] if row[end] is None else row[end] for row in rows] for end in ("low", "high")
    )
    plots.intervals(axes, [row["run"] for row in rows], shares, low, high)
    places = np.arange(len(rows))
    nulls = [row["null_high"] for row in rows]
    axes.vlines(nulls, places - 0.3, places + 0.3, color=plots.QUIET)
    axes.axvline(0, color=plots.QUIET, linewidth=0.8)
    axes.set_title(measure, fontsize=9)
    axes.set_xlabel("the seed's share; grey: without seeds", fontsize=8)
