"""Draw the brightness of every kind of prompt in every run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def brightness_figure(rows: Sequence[Mapping[str, Any]], baseline: str) -> DrawnFigure:
    """Draw every kind in every run with the truth, and brightness against the number of steps.

    Args:
        rows: The rows of the table "means".
        baseline: Name of the run that is studied.
    """

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        several = len({row["steps"] for row in rows}) > 1
        all_axes = plots.panels(figure, 1, 2 if several else 1)
        _draw_kinds(all_axes[0], rows, baseline)
        if several:
            _draw_steps(all_axes[1], rows)

    runs = len({row["run"] for row in rows})
    return plots.figure(
        draw,
        title="The brightness of images, and that of what their prompts ask for",
        caption="Left: mean luma of the images by kind of prompt, with 95 % intervals; this run "
        "in blue, other runs in gold; purple bars: true images of the prompts; grey line: 0.5. "
        "Right: the same against the number of steps, where runs differ in it.",
        width=9,
        height=2.5 + 0.12 * len(rows) + 0.2 * runs,
    )


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
    axes.set(xlabel="mean luma, 0 black to 1 white", xlim=(-0.02, 1.02))


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
    axes.set(xlabel="sampling steps", ylabel="mean luma", ylim=(-0.02, 1.02))
    if axes.lines:
        axes.legend(fontsize=6, ncols=2)
