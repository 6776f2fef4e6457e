"""Draw held-out predictions against the measured values, and the unseen seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
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
) -> DrawnFigure:
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
        axes.set_title(f"{metric.name}\nR² {row['r2']:.2f} of at most {row['ceiling']:.2f}")
        axes.set_ylabel(f"measured ({metric.unit})")

    unseen = [None] if listed["found"].is_not_null().any() else []
    best = sorted(range(len(metrics)), key=lambda target: -rows[target]["r2"])
    return plots.panel_each(
        [*unseen, *best],
        draw,
        title="Does the starting noise tell what a seed's images look like?",
        caption="One dot per seed: what a model that never saw the seed predicts from its noise, "
        "and what was measured. R² is the share explained, beside the most that is repeatable. "
        "The targets that are predicted best come first.",
        width=4,
        height=3.2,
    )
