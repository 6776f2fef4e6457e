"""`quality`: how much seeds differ in quality, and how far that repeats on other prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.ranking.judges import judge_chosen
from analysis.ranking.rank import rank_samples, ranking_identity
from analysis.statistics.monte_carlo import p_words
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.quality.seed_quality import SeedQuality
from analysis.study_tools.measured import (
    by_each,
    directed_metrics,
    identities,
    named_metrics,
    read_sets,
    require,
)
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SEEDS, LEAST_GROUPS = 8, 4
SHOWN = 8
"""Best seeds in the figure, and as many of the worst."""

SEED_COLUMNS = {
    "metric": "name of the metric",
    "seed": "the seed",
    "set1": "value on prompt set 1, in the metric's unit",
    "set1_low": "lower end of its 95 % interval",
    "set1_high": "upper end",
    "rank_set1": "rank on set 1, 1 is best; tied seeds have the mean of their ranks",
    "set2": "value on prompt set 2",
    "set2_low": "lower end of its 95 % interval",
    "set2_high": "upper end",
    "rank_set2": "rank on set 2",
    "set2_at_infinity": "Frechet distance of set 2, extrapolated to infinitely many images",
    "shrunken": "set-2 value shrunken towards the mean of all seeds: expected on other prompts",
    "shrunken_sd": "its posterior standard deviation",
    "p_better": "share of null values, pooled over seeds, at least as good as the set-2 value",
    "p_worse": "share of null values at least as bad",
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
            ("rank_correlation", "Spearman rank correlation of the two sets"),
            ("reliability", "expected correlation of set 2 with as many other prompts"),
            ("spread", "standard deviation of the true seed effects, without sampling noise"),
        )
        for end in ("", "_low", "_high")
    },
    "gap": "best minus worst seed on set 2",
    "gap_null_mean": "mean of the gap under the null",
    "gap_null_high": "95th percentile of the gap under the null",
    "gap_p": "share of null draws with at least this gap",
    "floor": "noise floor of a distance: part of the reference against the rest, mean over splits",
    "floor_spread": "standard deviation over the splits",
    "floor_n": "images on the seed's side of a split, as many as in set 2",
    "floor_reference_n": "images on the reference's side",
    "floor_note": "the floor in words, or why there is none; empty for a metric without reference",
    "at_infinity": "mean over seeds of a Frechet distance extrapolated to infinitely many images",
    "at_infinity_n": "numbers of images per seed through which the line in 1/n is fitted",
    "at_infinity_note": "the same in words, or why there is none; empty for a metric without bias "
    "in 1/n",
    "best": "best seed on set 2",
    "worst": "worst seed on set 2",
    "prompts_needed": "prompts per set for the wanted reliability; null if reached, or unknown",
    "note": "that number in words, or why there is none",
    "belief": "which of reliability, rank correlation and lists to believe; empty if they agree",
    "warnings": "prompt groups that weigh too much, or that carry a list alone",
    "judges_note": "how often images of the seeds that set 1 chose win on set 2, by each judge",
}


@dataclass(frozen=True)
class Quality(Study):
    """How much the seeds of a model differ in quality, by every metric with a better direction.

    Question: Do seeds differ in quality, by how much, and would other prompts give the same order?
    Method: For each metric: the value of every seed on prompt sets 1 and 2, with an interval over
        prompt groups; the rank correlation of the two sets; the reliability of the order on set 2
        (split-half over groups with the Spearman-Brown formula for means, measured directly for
        distances); and the standard deviation of the true seed effects, after the sampling noise
        is subtracted. A distance from a reference is reported with its noise floor, the distance
        of the reference from itself at the same n; a Frechet distance also with its extrapolation
        to infinitely many images (a straight line in 1/n). How often images of the seeds that set 1
        chose are better on set 2 is reported by the metric, if it is a score, and by a score that
        did not choose.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds, alike for
        all its prompts and in both sets, so that what seeds do to single groups stays. It gives the
        gap between the best and the worst seed, and the p-value of each seed.
    n: One image per seed and prompt; the table states n for each set and metric.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figures 6
        and 7 (FID of 10,000 and HPS v2 of 1,000 prompts, two disjoint sets).

    Attributes:
        metrics: Names of metrics; if empty, those of the recipe for which one direction is better.
        target: Reliability for which the number of prompts is estimated.
        permutations: Draws of the null, at least 200; if 0, 2,000 for a mean of one number per
            image and 200 for a distance.
    """

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 5

    metrics: tuple[str, ...] = ()
    target: float = 0.9
    permutations: int = 0

    def find(self, run: Run) -> Findings:
        """Evaluate every metric that the run allows."""
        metrics = named_metrics(run, self.metrics) or directed_metrics(run)
        if not metrics:
            raise RunError(
                f"recipe {run.recipe.name} has no metric for which one direction is better; this "
                f"study needs at least 1: add one to its `metrics` (kid_perceptual, hps_v2_1, fid "
                f"...)"
            )
        results, refused = by_each(
            metrics, lambda metric: [self._measure(run, metric)], required=bool(self.metrics)
        )
        rows = [result.row(self.target) for result in results]
        seeds = [row for result in results for row in result.seed_rows()]
        return Findings(
            outcome="; ".join([*(_sentence(result, self.target) for result in results), *refused]),
            numbers={
                "refused": refused,
                "metrics": rows,
                "known": [result.known() for result in results],
                "win_rates": {r.metric.name: r.judged.win_rates for r in results},
            },
            tables={
                "seeds": StudyTable(pl.DataFrame(seeds, infer_schema_length=None), SEED_COLUMNS),
                "metrics": StudyTable(pl.DataFrame(rows), METRIC_COLUMNS),
            },
            figures={"sets": sets_figure(seeds), "ends": _ends_figure(results)},
            identities=identities(run, metrics=[result.metric for result in results]),
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
            permutations=self.permutations or None,
        )
        judged = judge_chosen(run, [metric], ranking.chosen_on_set1)
        return SeedQuality.of(metric, samples, ranking, judged)


def _sentence(result: SeedQuality, target: float) -> str:
    """The part of the outcome that is about one metric."""
    row = result.row(target)
    best, worst = result.ranking.seeds[0], result.ranking.seeds[-1]
    return (
        f"{result.metric.name}: {row['seeds']:,} seeds, rank correlation of the sets "
        f"{row['rank_correlation']:z.2f} [{row['rank_correlation_low']:z.2f}, "
        f"{row['rank_correlation_high']:z.2f}], reliability over prompt groups "
        f"{row['reliability']:z.2f} [{row['reliability_low']:z.2f}, "
        f"{row['reliability_high']:z.2f}] with {row['n_set2']:,} images per seed; standard "
        f"deviation of the true seed effects {row['spread']:.3g} [{row['spread_low']:.3g}, "
        f"{row['spread_high']:.3g}]; best seed {best.seed} {best.value:.4g} [{best.low:.4g}, "
        f"{best.high:.4g}], worst {worst.seed} {worst.value:.4g} [{worst.low:.4g}, "
        f"{worst.high:.4g}], gap {row['gap']:.3g}, without a seed effect "
        f"{row['gap_null_mean']:.3g} ({p_words(row['gap_p'], result.ranking.permutations)})"
        + (f"; noise floor {row['floor']:.4g}" if result.ranking.floor else "")
        + (
            f"; at infinitely many images {row['at_infinity']:.4g} on average"
            if result.ranking.at_infinity_n
            else ""
        )
        + "".join(
            f"; {text.rstrip('.')}"
            for text in (result.ranking.belief, *result.ranking.warnings, result.judged.words)
            if text
        )
    )


def sets_figure(seeds: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw set 1 against set 2, one panel per metric.

    Args:
        seeds: The rows of the table "seeds".
    """

    def draw(axes: "Axes", metric: str) -> None:
        rows = [row for row in seeds if row["metric"] == metric]
        plots.scatter(axes, *(plots.column(rows, name) for name in ("set1", "set2")))
        axes.set(title=metric, xlabel="prompt set 1", ylabel="prompt set 2")

    return plots.panel_each(
        list(dict.fromkeys(row["metric"] for row in seeds)),
        draw,
        title="Each seed on one set of prompts, and on another",
        caption="One dot per seed: its value on prompt set 1 and, independently, on set 2. Dots "
        "along the diagonal repeat; a round cloud is chance.",
        width=4.2,
        height=3.8,
    )


def _ends_figure(results: Sequence[SeedQuality]) -> DrawnFigure:
    """The best and the worst seeds with intervals, and the range of single seeds under the null."""
    return plots.panel_each(
        results,
        _draw_ends,
        title="The best and the worst seeds, and what one seed shows by chance",
        caption="Values on prompt set 2 with 95 % intervals: the best seeds in gold above, the "
        "worst in purple below. Grey band: 95 % of single seeds if seeds had no effect.",
        width=4.6,
        height=4.6,
    )


def _draw_ends(axes: "Axes", result: SeedQuality) -> None:
    seeds = result.ranking.seeds
    count = min(SHOWN, len(seeds) // 2)
    ends = [*seeds[:count], *seeds[-count:]]
    colours = [plots.GOOD] * count + [plots.BAD] * count
    null = (result.ranking.null_low, result.ranking.null_high)
    axes.axvspan(*null, color=plots.QUIET, alpha=0.4, lw=0)
    plots.intervals(
        axes,
        [f"seed {seed.seed}" for seed in ends],
        np.array([seed.value for seed in ends]),
        [seed.low for seed in ends],
        [seed.high for seed in ends],
        colours=colours,
    )
    axes.set(title=result.metric.name, xlabel=result.metric.unit)
