"""Draw the curves of quality against alignment, and the gaps from the curve without a change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.metrics import Metric
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves_figure(
    metrics: Sequence[Metric],
    points: Sequence[Mapping[str, Any]],
    changes: Sequence[Mapping[str, Any]],
) -> DrawnFigure:
    """Draw one curve per change, and its gaps.

    Args:
        metrics: Alignment and quality.
        points: The rows of the table "points".
        changes: The rows of the table "changes".
    """

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        for index, change in enumerate(dict.fromkeys(row["change"] for row in points)):
            colour = plots.SERIES[index % len(plots.SERIES)]
            _draw_curve(left, [row for row in points if row["change"] == change], colour)
            _draw_gaps(right, [row for row in changes if row["change"] == change], colour)
        x, y = (f"{m.name}, {_direction(m)} is better" for m in metrics)
        left.set(xlabel=x, ylabel=y, title="quality against alignment")
        left.legend()
        right.axhline(0, color=plots.QUIET, linewidth=1)
        right.set(xlabel="guidance scale", ylabel="better than the curve without the change")
        right.set_title("gap at equal alignment")

    return plots.figure(
        draw,
        title="What more guidance costs in quality and gains in alignment",
        caption="Left: one point per run, labelled with its guidance scale, with 95 % intervals; "
        "gold rings: runs that no other run beats in both. Right: how far a change lies above the "
        "curve without it; hollow: outside that curve.",
        width=9,
        height=4.6,
    )


def _direction(metric: Metric) -> str:
    return "higher" if metric.higher_is_better else "lower"


def _draw_curve(axes: "Axes", rows: Sequence[Mapping[str, Any]], colour: str) -> None:
    x, y = ([row[name] for row in rows] for name in ("alignment", "quality"))
    axes.plot(x, y, "o-", color=colour, markersize=4, label=rows[0]["change"])
    for row in rows:
        low, high = row["quality_low"], row["quality_high"]
        axes.vlines(row["alignment"], low, high, colors=colour, linewidth=0.8, alpha=0.5)
        low, high = row["alignment_low"], row["alignment_high"]
        axes.hlines(row["quality"], low, high, colors=colour, linewidth=0.8, alpha=0.5)
        point = (row["alignment"], row["quality"])
        axes.annotate(f"{row['guidance']:g}", point, (4, 4), textcoords="offset points", fontsize=7)
    front = [row for row in rows if row["undominated"]]
    x, y = ([row[name] for row in front] for name in ("alignment", "quality"))
    axes.scatter(x, y, s=90, facecolors="none", edgecolors=plots.GOOD, linewidths=1.5, zorder=3)


def _draw_gaps(axes: "Axes", rows: Sequence[Mapping[str, Any]], colour: str) -> None:
    for row in rows:
        axes.vlines(row["guidance"], row["gap_low"], row["gap_high"], colors=colour, linewidth=1)
        filled = colour if row["inside"] else "none"
        axes.scatter(row["guidance"], row["gap"], s=24, facecolors=filled, edgecolors=colour)
