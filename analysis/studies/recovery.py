"""`recovery`: how many seeds are found whose images were made worse by a known amount."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.ranking.joint_rule import judge
from analysis.statistics.arrays import Floats
from analysis.statistics.prediction import welch
from analysis.statistics.proportions import grouped_share_interval
from analysis.statistics.reliability import top_with_ties
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.measured import (
    by_each,
    directed_metrics,
    identities,
    named_metrics,
    refuse_unmeasured,
    require,
)
from pipeline.errors import RunError
from pipeline.planted import STRENGTHS, planted
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PLANTING = "seed_plant"
LEAST_SEEDS, LEAST_GROUPS = 2, 4

COLUMNS = {
    "metric": "name of the metric",
    "strength": "share of their contrast that the images lose; 0 for the seeds that lose none",
    "seeds": "seeds of that strength",
    "found": "how many of them are in the worst share both on set 1 and on set 2",
    "recovered": "found / seeds",
    "recovered_low": "lower end of its 95 % interval",
    "recovered_high": "upper end",
    "p": "probability of finding at least as many by chance; null for the seeds that lose none",
    "loss": "how much worse they are on set 2 than the seeds that lose none, in standard "
    "deviations of the latter",
    "loss_low": "lower end of its 95 % interval",
    "loss_high": "upper end",
    "listed": "seeds in the worst share on both sets, planted or not",
    "n": "images per seed in set 2",
}


@dataclass(frozen=True)
class Recovery(Study):
    """Whether a planted seed effect of known size is found, and how large it must be.

    Question: Of the seeds whose images were made worse by a known amount, how many does the
        ranking find, and how small can the amount be?
    Method: The run was drawn with `seed_plant`: 1 seed in 20 loses a known share of the contrast
        of its images. A seed is found if it is in the worst share both on prompt set 1 and on
        set 2. For each strength: the share of seeds found, with a Wilson interval over seeds, and
        the loss on set 2 relative to the seeds that lose nothing, with Welch's interval.
    Null: A hash decides which seeds are planted, so by chance the list holds as large a share of
        them as of all other seeds (hypergeometric). The seeds that lose nothing are reported too.
    n: Seeds of each strength; one image per seed and prompt.
    Source: Ours.

    Attributes:
        metrics: Names of metrics; if empty, those of the recipe for which one direction is better.
        share: Share of the seeds that counts as the worst.
    """

    name: ClassVar[str] = "recovery"
    version: ClassVar[int] = 2

    metrics: tuple[str, ...] = ()
    share: float = 0.25

    def find(self, run: Run) -> Findings:
        """Look for the planted seeds by every metric that the run allows."""
        strengths = _strengths(run)
        metrics = named_metrics(run, self.metrics) or directed_metrics(run)
        if not metrics:
            raise RunError(
                "the recipe has no metric for which one direction is better; this study needs at "
                "least 1: add one to its `metrics`"
            )
        rows, refused = by_each(
            metrics, lambda metric: self._curve(run, metric, strengths), required=False
        )
        names = {row["metric"] for row in rows}
        return Findings(
            outcome="; ".join([*_sentences(rows, self.share), *refused]),
            numbers={"curve": rows, "refused": refused},
            tables={"curve": StudyTable(pl.DataFrame(rows, infer_schema_length=None), COLUMNS)},
            figures={"curve": curve_figure(rows)},
            identities=identities(run, metrics=[m for m in metrics if m.name in names]),
        )

    def _curve(self, run: Run, metric: Metric, strengths: Floats) -> list[dict[str, Any]]:
        """One metric's rows, one per strength; the seeds that lose nothing come first."""
        refuse_unmeasured(run, metric.needs)
        sets = [judge(run, [metric], number)[0] for number in (1, 2)]
        for number, judged in enumerate(sets, start=1):
            groups = len(set(judged.sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups in set {number}")
        sign = 1.0 if metric.higher_is_better else -1.0
        first, second = (sign * judged.seed_values for judged in sets)
        if not (np.ptp(first) and np.ptp(second)):
            raise RunError("its values do not vary; a worst share needs seeds that differ")
        listed = self._worst(first) & self._worst(second)
        unharmed = second[strengths == 0]
        rows = []
        for strength in np.unique(strengths).tolist():
            members = strengths == strength
            hits = listed[members].astype(np.float64)
            share = grouped_share_interval(hits, np.arange(len(hits)))
            chance = stats.hypergeom(len(listed), int(listed.sum()), len(hits))
            rows.append(
                {
                    "metric": metric.name,
                    "strength": strength,
                    "seeds": len(hits),
                    "found": int(hits.sum()),
                    "recovered": share.value,
                    "recovered_low": share.low,
                    "recovered_high": share.high,
                    "p": float(chance.sf(hits.sum() - 1)) if strength else None,
                    **_loss(second[members], unharmed, planted=strength > 0),
                    "listed": int(listed.sum()),
                    "n": sets[1].sample.n,
                }
            )
        return rows

    def _worst(self, values: Floats) -> NDArray[np.bool_]:
        """Whether each seed is in the worst share; all seeds tied at the boundary are."""
        m = max(1, round(self.share * len(values)))
        worst = top_with_ties(values, m, direction="lower")
        return np.isin(np.arange(len(values)), worst)


def _strengths(run: Run) -> Floats:
    """The strength that each seed loses, shape (S,), seeds ascending.

    Raises:
        RunError: If nothing was planted, or a strength has too few seeds.
    """
    intervention = run.config.intervention
    if intervention.name != PLANTING:
        raise RunError(
            f"this run was drawn with the intervention {intervention.name}; this study needs one "
            f"with planted seeds: put `sampling: {{intervention: {{name: {PLANTING}}}}}` in its "
            f"recipe"
        )
    parameters = intervention.parameters
    strengths = np.array([planted(seed, **parameters) for seed in sorted(run.seeds)])
    require(int((strengths == 0).sum()), LEAST_SEEDS, "seeds that lose nothing")
    for strength in parameters.get("strengths", STRENGTHS):
        count = int((strengths == strength).sum())
        require(count, LEAST_SEEDS, f"seeds that lose {strength:g} of their contrast")
    return strengths


def _loss(values: Floats, unharmed: Floats, *, planted: bool) -> dict[str, float | None]:
    """Measure how much worse the planted seeds are, in standard deviations of the other seeds."""
    spread = float(unharmed.std(ddof=1))
    if not planted or spread == 0:
        return dict.fromkeys(("loss", "loss_low", "loss_high"))
    difference = welch(unharmed, values)
    ends = (difference.value, difference.low, difference.high)
    return dict(zip(("loss", "loss_low", "loss_high"), (end / spread for end in ends), strict=True))


def _sentences(rows: Sequence[dict[str, Any]], share: float) -> list[str]:
    """One sentence per metric."""
    sentences = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        unharmed, *planted_rows = (row for row in rows if row["metric"] == metric)
        counts = ", ".join(
            f"{row['found']} of {row['seeds']} that lose {row['strength']:.0%} "
            f"[{row['recovered_low']:.0%}, {row['recovered_high']:.0%}] (p = {row['p']:.2g})"
            for row in planted_rows
        )
        sentences.append(
            f"by {metric}, {unharmed['n']:,} images per seed, the worst {share:.0%} of the seeds "
            f"on both sets contain {counts}, and {unharmed['found']} of {unharmed['seeds']:,} that "
            f"lose nothing"
        )
    return sentences


def curve_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """The share found against the strength, one panel per metric."""

    def draw(axes: "Axes", metric: str) -> None:
        unharmed, *planted_rows = (row for row in rows if row["metric"] == metric)
        x, y, low, high = (
            [row[column] for row in planted_rows]
            for column in ("strength", "recovered", "recovered_low", "recovered_high")
        )
        axes.vlines(x, low, high, color=plots.BAD)
        axes.plot(x, y, "o-", color=plots.BAD, label="planted")
        label = "lose nothing"
        axes.axhline(unharmed["recovered"], color=plots.QUIET, linestyle="--", label=label)
        axes.set(title=metric, xlabel="share of the contrast that is removed", ylim=(-0.02, 1.02))
        axes.set_ylabel("share found on both sets")

    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    return plots.panel_each(
        metrics,
        draw,
        title="The share of the seeds made worse that the ranking finds",
        caption="Share of the seeds, made worse by a known amount, that are among the worst on "
        "both sets, with 95 % intervals. Dashed: seeds that lose nothing.",
        width=4.2,
        height=3.4,
    )
