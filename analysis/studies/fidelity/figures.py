"""Draw the golden seeds against random sets, and the pools by their size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def random_sets_figure(nulls: Mapping[str, tuple[Floats, float]]) -> DrawnFigure:
    """Draw one panel per metric and kind of prompts: the random sets and the golden seeds."""

    def draw(axes: "Axes", name: str) -> None:
        null, golden = nulls[name]
        plots.against_null(axes, null, golden, name=name, null_name="random sets")

    return plots.panel_each(
        list(nulls),
        draw,
        title="Golden seeds against random sets of as many seeds",
        caption="Histograms: sets of random seeds on prompts of set 3, which neither chose nor "
        "confirmed the seeds. Line: the golden seeds of this run.",
        width=4.4,
        height=3.2,
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
            axes.legend()

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
