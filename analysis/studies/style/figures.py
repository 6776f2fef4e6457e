"""Draw the map of the seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.contact_sheet import read_one_prompt
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.embedding import cut_groups
from analysis.study_tools.farthest_seeds import farthest_points
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAILS = 24
"""Seeds on the map that are shown with an image, at most."""


def map_figure(
    run: Run, seeds: Sequence[int], points: Floats, null: Floats, labels: Indices, groups: int
) -> DrawnFigure:
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
        right.set_title("the same images, dealt out to seeds at random")

    return plots.figure(
        draw,
        title="Do seeds form groups of one style?",
        caption="One dot per seed, coloured by its group; near dots have images of similar style. "
        "The thumbnails show one prompt of set 2 for seeds spread over the map. Right: the same "
        "method without a seed effect, which clumps as well. The axes of a t-SNE map have no "
        "unit.",
        width=9,
        height=5,
    )


def _draw_points(axes: "Axes", points: Floats, labels: Indices) -> None:
    colours = [plots.GROUPS[label % len(plots.GROUPS)] for label in labels.tolist()]
    axes.scatter(points[:, 0], points[:, 1], s=14, c=colours, linewidths=0)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE, no unit", ylabel="t-SNE, no unit")
