"""Draw the map of the seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.contact_sheet import read_one_prompt
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.embedding import cut_groups
from analysis.study_tools.farthest_seeds import farthest_points
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAILS = 48
"""Seeds on the map that are shown with an image, at most."""


def map_figure(
    run: Run, seeds: Sequence[int], points: Floats, null: Floats, labels: Indices, groups: int
) -> bytes:
    """Draw the map with thumbnails and, next to it, the map of the permuted images.

    Args:
        run: The run; seeds whose images were not kept have no thumbnail.
        seeds: The seeds.
        points: Shape (S, 2), the map.
        null: Shape (S, 2), the same method with permuted images.
        labels: Shape (S,), group of each seed.
        groups: Groups to cut from the map of the permuted images.
    """
    shown = farthest_points(points, min(THUMBNAILS, len(points)), first=0)
    images = read_one_prompt(run, [seeds[row] for row in shown])

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _draw_points(left, points, labels)
        _draw_points(right, null, cut_groups(null, groups))
        for row in shown:
            if seeds[row] in images:
                plots.thumbnail(left, images[seeds[row]], points[row])
        left.set_title("this run")
        right.set_title("no seed effect: images permuted within each group")

    return plots.figure_png(draw, width=13, height=6.5)


def _draw_points(axes: "Axes", points: Floats, labels: Indices) -> None:
    axes.scatter(points[:, 0], points[:, 1], s=14, c=labels, cmap="tab20", linewidths=0)
    axes.set(xticks=[], yticks=[], xlabel="one dot per seed, coloured by group")
