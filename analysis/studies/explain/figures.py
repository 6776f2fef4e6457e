"""Draw how much of each target the noise predicts, and the seeds that were predicted unseen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.studies.explain.unseen_seeds import HIGH, LOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {HIGH: plots.GOOD, LOW: plots.BAD}


def explain_figure(
    targets: Sequence[Mapping[str, Any]], unseen: Sequence[Mapping[str, Any]], checked: str
) -> DrawnFigure:
    """Draw what the noise predicts of all targets, and the unseen seeds if they were drawn.

    Args:
        targets: The rows of the table "targets".
        unseen: The rows of the table "unseen".
        checked: The target for which the unseen seeds were listed.
    """
    drawn = [row for row in unseen if row["found"] is not None]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        first, *others = plots.panels(figure, 1, 2 if drawn else 1)
        _draw_targets(first, targets)
        for axes in others:
            _draw_unseen(axes, drawn)
            axes.set(title=f"{checked} of seeds drawn after the prediction")

    return plots.figure(
        draw,
        title="What the starting noise tells of a seed's images",
        caption="Left: share of the variance between seeds (R²) that is predicted for seeds that "
        "the model never saw, with 95 % intervals; gold: the most that is repeatable; purple: 95 % "
        "of permuted seeds. Right, if they were drawn: seeds that were listed by their predicted "
        f"{checked}, and what was measured then.",
        width=9 if drawn else 6,
        height=1.6 + 0.26 * len(targets),
    )


def _draw_targets(axes: "Axes", targets: Sequence[Mapping[str, Any]]) -> None:
    rows = sorted(targets, key=lambda row: -row["r2"])
    ends = (plots.column(rows, f"r2{end}") for end in ("", "_low", "_high"))
    plots.intervals(axes, [row["target"] for row in rows], *ends, name="R², 95 % interval")
    lines = range(len(rows))
    ceiling, name = plots.column(rows, "ceiling"), "most that is repeatable"
    axes.scatter(ceiling, lines, marker="D", s=20, color=plots.GOOD, label=name)
    plots.null_ticks(axes, plots.column(rows, "null_high"), name="permuted seeds, 95th percentile")
    axes.set(xlabel="R² on unseen seeds", xlim=(-0.05, 1.02), title="predicted from the noise")


def _draw_unseen(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    for group in dict.fromkeys(row["group"] for row in rows):
        of_group = [row for row in rows if row["group"] == group]
        points = (plots.column(of_group, name) for name in ("predicted", "found"))
        colour = COLOURS.get(group, plots.QUIET)
        plots.scatter(axes, *points, colours=colour, name=str(group))
    axes.set(xlabel="predicted from the noise", ylabel="measured")
