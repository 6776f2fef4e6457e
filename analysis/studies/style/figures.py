"""Draw the map of the seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.embedding import cut_groups
from analysis.study_tools.farthest_seeds import farthest_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAILS = 24
"""Seeds on the map that are shown with an image, at most."""


def spread_seeds(points: Floats, seeds: Sequence[int]) -> list[int]:
    """Choose seeds for the thumbnails, spread over the map.

    Args:
        points: Shape (S, 2), the map.
        seeds: The seeds.
    """
    chosen = farthest_points(points, min(THUMBNAILS, len(points)), first=0)
    return [seeds[row] for row in chosen]


def map_figure(
    rows: Sequence[Mapping[str, Any]], images: Mapping[int, NDArray[np.uint8]]
) -> DrawnFigure:
    """Draw the map with thumbnails and, next to it, the map of the permuted images.

    Args:
        rows: The rows of the table "map".
        images: Seed -> image that is shown at the seed's dot, for some of the seeds.
    """
    points, null = (
        np.stack([plots.column(rows, f"{of}{axis}") for axis in "xy"], axis=1)
        for of in ("", "null_")
    )
    labels = np.array([row["group"] for row in rows])

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _draw_points(left, points, labels)
        _draw_points(right, null, cut_groups(null, len(set(labels.tolist()))))
        for row, point in zip(rows, points, strict=True):
            if row["seed"] in images:
                plots.thumbnail(left, images[row["seed"]], point)
        left.set_title(f"this run: {len(rows):,} seeds")
        right.set_title("null: the same images, dealt out to seeds at random")
        if images:
            name = "an image of the seed at its centre; all are of one prompt"
            left.scatter([], [], marker="s", s=70, c="white", edgecolors=plots.INK, label=name)

    return plots.figure(
        draw,
        title="Seeds by the style of their images, and the same map without a seed effect",
        caption="One dot per seed, coloured by its group; near dots have images of similar style. "
        "Each thumbnail lies on the dot of its seed and shows the same prompt of set 2. Right: the "
        "same method without a seed effect, which clumps as well, so only what differs from it "
        "counts. The axes of a t-SNE map have no unit.",
        width=9,
        height=5.2,
    )


def _draw_points(axes: "Axes", points: Floats, labels: Indices) -> None:
    colours = [plots.GROUPS[label % len(plots.GROUPS)] for label in labels.tolist()]
    name = "one seed; its colour is its group"
    axes.scatter(points[:, 0], points[:, 1], s=14, c=colours, linewidths=0, label=name)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE, no unit", ylabel="t-SNE, no unit")
