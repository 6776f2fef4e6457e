"""Draw held-out predictions against the measured values, and the unseen seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.statistics.arrays import Floats
from analysis.studies.explain.unseen_seeds import HIGH, LOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def predictions_figure(
    metrics: Sequence[Metric],
    y: Floats,
    predicted: Floats,
    rows: Sequence[dict[str, Any]],
    listed: pl.DataFrame,
) -> bytes:
    """Draw one panel per target, and one for the unseen seeds if they were drawn.

    Args:
        metrics: The T targets.
        y: Measured values, shape (S, T).
        predicted: Held-out predictions, shape (S, T).
        rows: The rows of the table "targets".
        listed: The table "unseen".
    """

    def draw(axes: "Axes", target: int | None) -> None:
        axes.set_xlabel("predicted from noise")
        if target is None:
            colour = {HIGH: plots.GOOD, LOW: plots.BAD}
            colours = [colour.get(group, plots.QUIET) for group in listed["group"]]
            plots.scatter(axes, listed["predicted"], listed["found"], colours=colours)
            axes.set(title="unseen seeds", ylabel="measured")
            return
        metric, row = metrics[target], rows[target]
        plots.scatter(axes, predicted[:, target], y[:, target])
        axes.set_title(f"{metric.name}: R2 {row['r2']:.2f} of {row['ceiling']:.2f}", fontsize=9)
        axes.set_ylabel(f"measured ({metric.unit})")

    unseen = [None] if listed["found"].is_not_null().any() else []
    return plots.panel_each([*range(len(metrics)), *unseen], draw, width=4, height=3.8)
