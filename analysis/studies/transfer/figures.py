"""Draw the correlations of all comparisons, and the values of the seeds in both runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDS = ("", "_low", "_high")


def correlations_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw one panel per metric with one line per comparison."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))

    def draw(axes: "Axes", metric: str) -> None:
        shown = [row for row in rows if row["metric"] == metric]
        lines = np.arange(len(shown))
        labels = [row["other"] for row in shown]
        ends = (plots.column(shown, f"cross{end}") for end in ENDS)
        plots.intervals(axes, labels, *ends, name="correlation, 95 % interval")
        has_interval = np.isfinite(plots.column(shown, "corrected_low"))
        corrected = np.where(has_interval, plots.column(shown, "corrected"), np.nan)
        plots.scatter(
            axes, corrected, lines, colours=plots.GOOD, size=20, name="corrected for noise"
        )
        plots.null_ticks(axes, plots.column(shown, "null_high"), name="null, 95th percentile")
        axes.set(title=metric, xlabel="rank correlation")

    longest = max(sum(row["metric"] == metric for row in rows) for metric in metrics)
    return plots.panel_each(
        metrics,
        draw,
        title="How far the order of the seeds carries over to other runs",
        caption="Rank correlation of the seeds' values here with those of each other run, on "
        "other prompts, with 95 % intervals. Gold: corrected for the noise of both. Purple: 95th "
        "percentile of the null.",
        width=4.5,
        height=1.4 + 0.3 * longest,
    )


def seeds_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw every comparison by the first metric, one dot per seed.

    Args:
        rows: The rows of the table "values".
    """
    metric = rows[0]["metric"]

    def draw(axes: "Axes", other: str) -> None:
        shown = [row for row in rows if (row["other"], row["metric"]) == (other, metric)]
        plots.scatter(axes, plots.column(shown, "set1"), plots.column(shown, "other_set2"))
        axes.set(title=other, xlabel="this run, set 1", ylabel="the other run, set 2")

    return plots.panel_each(
        list(dict.fromkeys(row["other"] for row in rows)),
        draw,
        title=f"The same seeds in two runs, by {metric}",
        caption=f"One dot per seed: its {metric} in this run on set 1, and in the other run on set "
        "2. A cloud along a rising line carries over; a round cloud does not.",
        width=3.6,
        height=3.2,
    )
