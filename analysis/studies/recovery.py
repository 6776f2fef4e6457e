"""`recovery`: seeds made worse by a known amount, and how many of them are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
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
    "strength": "share of their contrast that the pictures lose; 0: the seeds that lose none",
    "seeds": "seeds of that strength",
    "found": "how many of them are in the worst share on set 1 and again on set 2",
    "recovered": "found / seeds",
    "recovered_low": "lower end of its 95 % interval",
    "recovered_high": "upper end",
    "p": "probability that chance finds as many; null for the seeds that lose none",
    "loss": "how much worse they are on set 2 than those that lose none, in the latter's standard "
    "deviations",
    "loss_low": "lower end of its 95 % interval",
    "loss_high": "upper end",
    "listed": "seeds in the worst share on both sets, planted or not",
    "n": "images of a seed in set 2",
}


@dataclass(frozen=True)
class Recovery(Study):
    """Whether a planted seed effect of known size is found, and from which size on.

    Question: Of seeds whose pictures were made worse by a known amount, how many does the
        ranking find, and how small may the amount be?
    Method: The run was drawn with `seed_plant`: 1 seed in 20 loses a known share of its
        pictures' contrast. A seed is found when it is in the worst share on prompt set 1 and
        again on set 2. Per strength the share found, interval by Wilson over seeds, and the loss
        on set 2 against the seeds that lose nothing, interval by Welch.
    Null: Which seeds are planted comes from a hash, so chance puts as many of them on the list as
        of any others (hypergeometric); those that lose nothing stand beside them.
    n: Seeds of each strength; one image per seed and prompt.
    Source: Ours.

    Attributes:
        metrics: Names of metrics; those of the recipe that have a better end if empty.
        share: Share of the seeds that counts as the worst.
    """

    name: ClassVar[str] = "recovery"
    version: ClassVar[int] = 2

    metrics: tuple[str, ...] = ()
    share: float = 0.25

    def find(self, run: Run) -> Findings:
        """Look for the planted seeds, by every metric that the run allows."""
        strengths = _strengths(run)
        chosen = [load_metric(name) for name in self.metrics] or directed_metrics(run)
        if not chosen:
            raise RunError("the recipe has no metric with a better end; 1 is needed")
        rows, refused = by_each(
            chosen, lambda metric: self._curve(run, metric, strengths), asked=False
        )
        names = {row["metric"] for row in rows}
        return Findings(
            outcome="; ".join([*_sentences(rows, self.share), *refused]),
            numbers={"curve": rows, "refused": refused},
            tables={"curve": StudyTable(pl.DataFrame(rows, infer_schema_length=None), COLUMNS)},
            figures={"curve": _figure(rows)},
            identities=identities(run, metrics=[one for one in chosen if one.name in names]),
        )

    def _curve(self, run: Run, metric: Metric, strengths: Floats) -> list[dict[str, Any]]:
        """One metric: a row per strength, that of the seeds that lose nothing first."""
        refuse_unmeasured(run, metric.needs)
        sets = [judge(run, [metric], number)[0] for number in (1, 2)]
        for number, one in enumerate(sets, start=1):
            groups = len(set(one.sample.groups.tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups in set {number}")
        sign = 1.0 if metric.higher_is_better else -1.0
        first, second = (sign * one.own for one in sets)
        if not (np.ptp(first) and np.ptp(second)):
            raise RunError("its values do not vary; a worst share needs seeds that differ")
        listed = self._worst(first) & self._worst(second)
        others = second[strengths == 0]
        rows = []
        for strength in np.unique(strengths).tolist():
            mine = strengths == strength
            hits = listed[mine].astype(np.float64)
            share = grouped_share_interval(hits, np.arange(len(hits)))
            by_chance = stats.hypergeom(len(listed), int(listed.sum()), len(hits))
            rows.append(
                {
                    "metric": metric.name,
                    "strength": strength,
                    "seeds": len(hits),
                    "found": int(hits.sum()),
                    "recovered": share.value,
                    "recovered_low": share.low,
                    "recovered_high": share.high,
                    "p": float(by_chance.sf(hits.sum() - 1)) if strength else None,
                    **_loss(second[mine], others, planted=strength > 0),
                    "listed": int(listed.sum()),
                    "n": sets[1].sample.n,
                }
            )
        return rows

    def _worst(self, values: Floats) -> NDArray[np.bool_]:
        """Whether each seed is in the worst share, ties at the boundary listed whole."""
        m = max(1, round(self.share * len(values)))
        places = top_with_ties(values, m, direction="lower")
        return np.isin(np.arange(len(values)), places)


def _strengths(run: Run) -> Floats:
    """What every seed loses, shape (S,), seeds ascending.

    Raises:
        RunError: If nothing was planted, or too few seeds of a strength.
    """
    used = run.config.intervention
    if used.name != PLANTING:
        raise RunError(
            f"this run was drawn with the intervention {used.name}; this study needs one with "
            f"planted seeds: `sampling: {{intervention: {{name: {PLANTING}}}}}` in its recipe"
        )
    found = np.array([planted(seed, **used.parameters) for seed in sorted(run.seeds)])
    require(int((found == 0).sum()), LEAST_SEEDS, "seeds that lose nothing")
    for strength in used.parameters.get("strengths", STRENGTHS):
        count = int((found == strength).sum())
        require(count, LEAST_SEEDS, f"seeds that lose {strength:g} of their contrast")
    return found


def _loss(mine: Floats, others: Floats, *, planted: bool) -> dict[str, float | None]:
    """How much worse some seeds are, in standard deviations of the others."""
    spread = float(others.std(ddof=1))
    if not planted or spread == 0:
        return dict.fromkeys(("loss", "loss_low", "loss_high"))
    apart = welch(others, mine)
    ends = (apart.value, apart.low, apart.high)
    return dict(zip(("loss", "loss_low", "loss_high"), (end / spread for end in ends), strict=True))


def _sentences(rows: Sequence[dict[str, Any]], share: float) -> list[str]:
    found = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        none, *mine = (row for row in rows if row["metric"] == metric)
        told = ", ".join(
            f"{row['found']} of {row['seeds']} that lose {row['strength']:.0%} "
            f"[{row['recovered_low']:.0%}, {row['recovered_high']:.0%}] (p = {row['p']:.2g})"
            for row in mine
        )
        found.append(
            f"by {metric}, {none['n']:,} images a seed, the worst {share:.0%} of the seeds on both "
            f"sets hold {told}, and {none['found']} of {none['seeds']:,} that lose nothing"
        )
    return found


def _figure(rows: Sequence[dict[str, Any]]) -> bytes:
    """The share found against the strength, a panel a metric."""

    def draw(axes: "Axes", metric: str) -> None:
        none, *mine = (row for row in rows if row["metric"] == metric)
        x = [row["strength"] for row in mine]
        ends = ([row["recovered_low"] for row in mine], [row["recovered_high"] for row in mine])
        axes.vlines(x, *ends, color=plots.BAD)
        axes.plot(x, [row["recovered"] for row in mine], "o-", color=plots.BAD, label="planted")
        axes.axhline(none["recovered"], color=plots.QUIET, linestyle="--", label="lose nothing")
        axes.set(title=metric, xlabel="share of the contrast that is taken", ylim=(-0.02, 1.02))
        axes.set_ylabel("share found on both sets")
        axes.legend(fontsize=8, frameon=False)

    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    return plots.panel_each(metrics, draw, width=4.2, height=3.6)
