"""`quality`: how far seeds differ in quality, and how far that repeats on other prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
from analysis.ranking.rank import PERMUTATIONS, rank_samples, ranking_identity
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.quality.seed_quality import SeedQuality
from analysis.study_tools.measured import by_each, directed_metrics, identities, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SHOWN = 8  # best and worst seeds in the picture, each

SEED_COLUMNS = {
    "metric": "name of the metric",
    "seed": "the seed",
    "set1": "value on prompt set 1, in the metric's unit",
    "set1_low": "lower end of its 95 % interval",
    "set1_high": "upper end",
    "rank_set1": "rank on set 1, 1 is best, ties share the mean of their ranks",
    "set2": "value on prompt set 2",
    "set2_low": "lower end of its 95 % interval",
    "set2_high": "upper end",
    "rank_set2": "rank on set 2",
    "set2_at_infinity": "a Frechet distance of set 2 extrapolated to infinitely many images",
    "shrunken": "set-2 value drawn towards the population of seeds: what other prompts should show",
    "shrunken_sd": "its posterior standard deviation",
    "p_better": "share of the null's values, pooled over seeds, at least as good as set 2's",
    "p_worse": "share of the null's values at least as bad",
}
METRIC_COLUMNS = {
    "metric": "name of the metric",
    "unit": "unit of its values",
    "higher_is_better": "direction",
    "seeds": "seeds",
    "n_set1": "images per seed in set 1",
    "n_set2": "images per seed in set 2",
    **{
        f"{name}{end}": f"{meaning}{', ' if end else ''}{end.strip('_')}"
        for name, meaning in (
            ("rank_correlation", "Spearman correlation of the two sets"),
            ("reliability", "how far set 2's order repeats on as many other prompts"),
            ("spread", "standard deviation of the true effects, sampling noise taken off"),
        )
        for end in ("", "_low", "_high")
    },
    "gap": "best less worst seed on set 2",
    "gap_null_mean": "the same with permuted owners, mean",
    "gap_null_high": "95th percentile of that",
    "gap_p": "share of permuted draws with a gap at least as large",
    "floor": "a distance's noise floor: images of the reference from its others, mean of splits",
    "floor_spread": "standard deviation over the splits",
    "floor_n": "images on the seed's side of a split, as many as in set 2",
    "floor_reference_n": "images on the reference's side",
    "floor_note": "the floor in words, or why there is none; empty: metric without a reference",
    "at_infinity": "mean over seeds of a Frechet distance extrapolated to infinitely many images",
    "at_infinity_n": "images per seed at the points of its straight line in 1/n",
    "at_infinity_note": "that in words, or why there is none; empty: no bias of 1/n",
    "best": "best seed on set 2",
    "worst": "worst seed on set 2",
    "prompts_needed": "prompts per set for the reliability asked for; null: reached, or unknown",
    "note": "that number in words, or why there is none",
}


@dataclass(frozen=True)
class Quality(Study):
    """How far the seeds of a model differ in quality, by every metric that has a better end.

    Question: Do seeds differ in quality, by how much, and would other prompts say the same?
    Method: Per metric every seed's value on prompt set 1 and on set 2 with an interval that
        goes by prompt groups; the two sets' rank correlation; reliability of set 2's order
        (split-half over groups and Spearman-Brown for means, measured for distances); spread of
        the true effects after the sampling noise of each seed's deviation is taken off.
    Null: Within each prompt it is permuted which seed owns which image; the best-worst gap and
        the seeds' p-values stand beside what that gives. Beside a distance from a reference
        stands that of the reference from itself at the same n, its noise floor, and beside a
        Frechet distance that of infinitely many images (a straight line in 1/n).
    n: One image per seed and prompt; per set and metric in the table.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figures 6
        and 7 (FID of 10,000 and HPS v2 of 1,000 prompts, two disjoint sets).

    Attributes:
        metrics: Names of metrics; those of the recipe that have a better end if empty.
        target: Reliability for which the number of prompts is asked.
        permutations: Draws of the null, at least 200.
    """

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 4

    metrics: tuple[str, ...] = ()
    target: float = 0.9
    permutations: int = PERMUTATIONS

    def find(self, run: Run) -> Findings:
        """Measure every metric."""
        chosen = [load_metric(name) for name in self.metrics] or directed_metrics(run)
        if not chosen:
            raise RunError(
                f"recipe {run.recipe.name} has no metric with a better end; this study needs at "
                f"least 1: add one to its `metrics` (kid_perceptual, hps_v2_1, fid ...)"
            )
        found, refused = by_each(
            chosen, lambda metric: [self._measure(run, metric)], asked=bool(self.metrics)
        )
        seeds = [row for one in found for row in one.seed_rows()]
        return Findings(
            outcome="; ".join([*(_sentence(one, self.target) for one in found), *refused]),
            numbers={
                "refused": refused,
                "metrics": [one.row(self.target) for one in found],
                "known": [one.known() for one in found],
            },
            tables={
                "seeds": StudyTable(pl.DataFrame(seeds, infer_schema_length=None), SEED_COLUMNS),
                "metrics": StudyTable(
                    pl.DataFrame([one.row(self.target) for one in found]), METRIC_COLUMNS
                ),
            },
            figures={"sets": _sets_figure(found), "ends": _ends_figure(found)},
            identities=identities(run, metrics=[one.metric for one in found]),
        )

    def _measure(self, run: Run, metric: Metric) -> SeedQuality:
        n = run.recipe.metric_prompts.get(metric.name)
        samples = read_sets(run, metric.needs, n=n)
        require(len(samples[0].seeds), LEAST_SEEDS, "seeds")
        for number, sample in enumerate(samples, start=1):
            groups = len(set(sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups in set {number}")
        ranking = rank_samples(
            metric,
            samples,
            ranking_identity(run, metric),
            share=run.recipe.ranking.share if run.recipe.ranking else 0.25,
            permutations=self.permutations,
        )
        return SeedQuality.of(metric, samples, ranking)


def _sentence(one: SeedQuality, target: float) -> str:
    """One metric's part of the outcome."""
    row = one.row(target)
    best, worst = one.ranking.seeds[0], one.ranking.seeds[-1]
    return (
        f"{one.metric.name}: {row['seeds']:,} seeds, ranks of the sets correlate at "
        f"{row['rank_correlation']:.2f} [{row['rank_correlation_low']:.2f}, "
        f"{row['rank_correlation_high']:.2f}], reliability over unlike prompt groups "
        f"{row['reliability']:.2f} [{row['reliability_low']:.2f}, "
        f"{row['reliability_high']:.2f}] with {row['n_set2']:,} images each; true effects "
        f"spread by {row['spread']:.3g} [{row['spread_low']:.3g}, {row['spread_high']:.3g}]; "
        f"best seed {best.seed} {best.value:.4g} [{best.low:.4g}, {best.high:.4g}], worst "
        f"{worst.seed} {worst.value:.4g} [{worst.low:.4g}, {worst.high:.4g}], gap "
        f"{row['gap']:.3g} where no seed effect gives {row['gap_null_mean']:.3g} "
        f"(p = {row['gap_p']:.2g})"
        + (f"; noise floor {row['floor']:.4g}" if one.ranking.floor else "")
        + (
            f"; at infinitely many images {row['at_infinity']:.4g} on average"
            if one.ranking.at_infinity_n
            else ""
        )
    )


def _sets_figure(found: Sequence[SeedQuality]) -> bytes:
    """Set 1 against set 2, one panel a metric."""

    def draw(axes: "Axes", one: SeedQuality) -> None:
        rows = one.seed_rows()
        plots.scatter(axes, [r["set1"] for r in rows], [r["set2"] for r in rows])
        axes.set(title=one.title, xlabel="prompt set 1", ylabel="prompt set 2")

    return plots.panel_each(found, draw, width=4.2, height=4)


def _ends_figure(found: Sequence[SeedQuality]) -> bytes:
    """Best and worst seeds with intervals, beside what single seeds show without any effect."""
    return plots.panel_each(found, _ends, width=4.6, height=5)


def _ends(axes: "Axes", one: SeedQuality) -> None:
    seeds = one.ranking.seeds
    each = min(SHOWN, len(seeds) // 2)
    ends = [*seeds[:each], *seeds[-each:]]
    colours = [plots.GOOD] * each + [plots.BAD] * each
    axes.axvspan(one.ranking.null_low, one.ranking.null_high, color=plots.QUIET, alpha=0.5)
    plots.intervals(
        axes,
        [f"seed {seed.seed}" for seed in ends],
        np.array([seed.value for seed in ends]),
        [seed.low for seed in ends],
        [seed.high for seed in ends],
        colours=colours,
    )
    axes.set(title=one.title, xlabel="set 2; grey: 95 % of single seeds under the null")
