"""Draw the golden seeds against random sets, and the pools by their size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.pictures import plots
from analysis.statistics.arrays import Floats


def random_sets_figure(nulls: Mapping[str, tuple[Floats, float]]) -> bytes:
    """Draw one panel per metric and kind of prompts: the random sets and the golden seeds."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        panels = plots.panels(figure, 1, len(nulls))
        for axes, (name, (null, golden)) in zip(panels, nulls.items(), strict=True):
            plots.against_null(axes, null, golden, name=name, null_name="random sets")

    return plots.figure_png(draw, width=4.4 * len(nulls), height=3.6)


def pools_figure(pools: Sequence[dict[str, Any]]) -> bytes:
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
            axes.set(xscale="log", xlabel="seeds in the pool", title=name)
            axes.legend(fontsize=8, frameon=False)

    return plots.figure_png(draw, width=11, height=3.6)


def _with_gaps(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
