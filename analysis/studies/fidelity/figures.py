"""Draw the golden seeds against random sets, and the pools by their size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SETS = {"golden": "golden seeds", "random": "random sets", "fresh": "a new seed each time"}


def random_sets_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw one panel per metric and kind of prompts: golden seeds, random sets, fresh seeds.

    Args:
        rows: The rows of the table "table1".
    """

    def draw(axes: "Axes", row: Mapping[str, Any]) -> None:
        lines = [{end: row.get(f"{name}{end}") for end in ("", "_low", "_high")} for name in SETS]
        ends = (plots.column(lines, end) for end in ("", "_low", "_high"))
        colours = [plots.GOOD, plots.QUIET, plots.QUIET]
        plots.intervals(axes, list(SETS.values()), *ends, colours=colours)
        axes.axvline(row["golden"], color=plots.GOOD, linewidth=0.8, linestyle=":")
        better = "higher" if row["higher_is_better"] else "lower"
        axes.set(title=f"{row['prompts']}", xlabel=f"{row['metric']} ({better} is better)")

    sets = f"{rows[0]['sets']:,} " if "sets" in rows[0] else ""
    return plots.panel_each(
        rows,
        draw,
        title="Golden seeds on new prompts, beside random sets of as many seeds",
        caption="Values on prompts of set 3, which neither chose nor confirmed the seeds. Gold: "
        "the golden seeds of this run, with a 95 % interval over prompt groups where it is known. "
        f"Grey: means and 95 % ranges of {sets}random sets of as many seeds, and of a random seed "
        "for each prompt.",
        width=4.4,
        height=1.7,
    )


def pools_figure(pools: Sequence[dict[str, Any]]) -> DrawnFigure:
    """Draw preference, distance and similarity against the size of the pool."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        sizes = [row["seeds"] for row in pools]
        names = ("preference", "distance", "similarity")
        for axes, name in zip(plots.panels(figure, 1, 3), names, strict=True):
            best = _with_gaps([row[name] for row in pools])
            axes.plot(sizes, best, marker="o", color=plots.GOOD, label="best seeds")
            if name != "preference":
                null = _with_gaps([row[f"{name}_random"] for row in pools])
                axes.plot(sizes, null, marker="o", color=plots.QUIET, label="random seeds")
            axes.set(xscale="log", xlabel="seeds in the pool", ylabel=name, title=name)

    return plots.figure(
        draw,
        title="Fewer seeds: what is gained in quality, and lost in variety",
        caption="Pools of the best seeds (gold) and of random seeds (grey), from few seeds to "
        "all: mean preference, distance to the reference, and similarity of the images of a "
        "prompt.",
        width=9,
        height=3.4,
    )


def _with_gaps(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
