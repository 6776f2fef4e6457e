"""Draw the correlations of all comparisons, and the values of the seeds in both runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats
from analysis.study_tools.run_pairs import RunPair

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
        plots.intervals(axes, labels, *(_column(shown, f"cross{end}") for end in ENDS))
        has_interval = np.isfinite(_column(shown, "corrected_low"))
        corrected = np.where(has_interval, _column(shown, "corrected"), np.nan)
        plots.scatter(axes, corrected, lines, colours=plots.GOOD)
        plots.scatter(axes, _column(shown, "null_high"), lines, colours=plots.BAD)
        axes.set(title=metric, xlabel="rank correlation of the seeds")

    longest = max(sum(row["metric"] == metric for row in rows) for metric in metrics)
    return plots.panel_each(
        metrics,
        draw,
        title="Do seeds that are good here also do well elsewhere?",
        caption="Rank correlation of the seeds' values here with those of each other run, on "
        "other prompts, with 95 % intervals. Gold: corrected for the noise of both. Purple: 95th "
        "percentile of the null.",
        width=4.5,
        height=1.4 + 0.3 * longest,
    )


def seeds_figure(pairs: Sequence[RunPair]) -> DrawnFigure:
    """Draw every comparison by the first metric, one point per seed."""

    def draw(axes: "Axes", pair: RunPair) -> None:
        plots.scatter(axes, *map(pair.metric.values, (pair.first[0], pair.second[1])))
        axes.set(title=pair.name, xlabel="this run, set 1", ylabel="the other run, set 2")

    shown = [pair for pair in pairs if pair.metric.name == pairs[0].metric.name]
    return plots.panel_each(
        shown,
        draw,
        title=f"The same seeds in two runs, by {pairs[0].metric.name}",
        caption="One dot per seed: its value in this run on set 1, and in the other run on set 2.",
        width=3.4,
        height=3.2,
    )


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], dtype=np.float64)
