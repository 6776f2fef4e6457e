"""Draw how many seeds the rule lists and confirms, beside what chance would."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

LINES = {"length": "listed on set 1", "again": "of these, again on set 2"}


def chance_figure(numbers: Mapping[str, Any]) -> DrawnFigure:
    """Draw both counts with their nulls.

    Args:
        numbers: As `GoldenLists.numbers` gives them.
    """
    nulls = [numbers[f"{name}_no_seed_effect"] for name in LINES]
    mean, spread = plots.column(nulls, "mean"), 2 * plots.column(nulls, "sd")
    unrelated = plots.column([numbers[f"{name}_unrelated"] for name in LINES], "mean")

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        label = f"seeds without an effect, mean ± 2 sd of {nulls[0]['draws']:,} draws"
        plots.null_ranges(axes, np.maximum(mean - spread, 0), mean + spread, name=label)
        plots.null_ticks(axes, unrelated, name="two unrelated rankings, mean")
        counts = [numbers["length"], numbers["again_count"]]
        plots.intervals(
            axes, list(LINES.values()), counts, counts, counts, colours=plots.GOOD, name="this run"
        )
        axes.set_xlabel(f"seeds of {numbers['seeds']:,}")
        axes.set_xlim(left=-0.5)

    names = " and ".join(row["metric"] for row in numbers["metrics"])
    return plots.figure(
        draw,
        title="Golden seeds by two metrics, and as many as chance would list and confirm",
        caption=f"Gold: seeds in the top {numbers['share']:.0%} by {names} on set 1, and those of "
        "them that are so again on set 2. Grey bars: the same counts if seeds had no effect. "
        "Purple: the mean of two unrelated rankings.",
        width=8,
        height=2.4,
    )
