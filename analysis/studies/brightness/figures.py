"""Draw the brightness of every kind of prompt in every run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def brightness_figure(rows: Sequence[Mapping[str, Any]], baseline: str) -> bytes:
    """Draw every kind in every run with the truth, and brightness against the number of steps.

    Args:
        rows: The rows of the table "means".
        baseline: Name of the run that is studied.
    """

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _draw_kinds(left, rows, baseline)
        _draw_steps(right, rows)

    runs = len({row["run"] for row in rows})
    return plots.figure_png(draw, width=11, height=2.5 + 0.12 * len(rows) + 0.2 * runs)


def _draw_kinds(axes: "Axes", rows: Sequence[Mapping[str, Any]], baseline: str) -> None:
    ordered = sorted(rows, key=lambda row: [r["kind"] for r in rows].index(row["kind"]))
    labels = [f"{row['kind']}, {row['run']}" for row in ordered]
    columns = ([row[f"brightness{end}"] for row in ordered] for end in ("", "_low", "_high"))
    colours = [plots.INK if row["run"] == baseline else plots.GOOD for row in ordered]
    for line, row in enumerate(ordered):
        if row["truth"] is not None:
            axes.plot([row["truth"]], [line], "|", color=plots.BAD, markersize=14)
    axes.axvline(0.5, color=plots.QUIET, linewidth=1)
    plots.intervals(axes, labels, *columns, colours=colours)
    axes.set(xlabel="mean luma; red: true images, grey line: 0.5", xlim=(-0.02, 1.02))


def _draw_steps(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """One line per kind and intervention, over the runs with the first row's guidance scale."""
    comparable = [row for row in rows if row["guidance"] == rows[0]["guidance"]]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for intervention in dict.fromkeys(row["intervention"] for row in comparable):
            points = sorted(
                (row["steps"], row["brightness"])
                for row in comparable
                if (row["kind"], row["intervention"]) == (kind, intervention)
            )
            style, label = "o-" if intervention == "none" else "s--", f"{kind}, {intervention}"
            if len(points) > 1:
                axes.plot(*zip(*points, strict=True), style, label=label, markersize=4)
    axes.set(xlabel="steps", ylabel="mean luma", ylim=(-0.02, 1.02))
    if axes.lines:
        axes.legend(fontsize=6, frameon=False, ncols=2)
