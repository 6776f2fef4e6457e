"""Draw the shares, the mean position of every seed, and the images of the most extreme seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cells.vectors import LAYOUT
from analysis.pictures import plots
from analysis.pictures.contact_sheet import Row, draw_sheet
from analysis.pictures.plots import DrawnFigure
from analysis.studies.composition.layouts import Layouts
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDS = {
    "x": ("leftmost", "rightmost"),
    "y": ("highest", "lowest"),
    "size": ("smallest", "largest"),
    "depth": ("nearest", "farthest"),
}
FULL_SIZE_SEEDS = 64
"""Seeds whose dots fit at full size; with more seeds the dots shrink in proportion."""
SHEET_PROMPTS = 6
"""Prompts on a sheet."""


def shares_figure(shares: Sequence[dict[str, Any]]) -> DrawnFigure:
    """Draw the seed's share of every measure with its interval and its null."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        columns = [[row[key] for row in shares] for key in ("seed", "seed_low", "seed_high")]
        labels = [row["measure"] for row in shares]
        plots.intervals(axes, labels, *columns, name="this run, 95 % interval")
        nulls = plots.column(shares, "seed_null_high")
        plots.null_ticks(axes, nulls, name="seeds without an effect, 97.5th percentile")
        axes.set_xlabel("the seed's share of the variance")

    return plots.figure(
        draw,
        title="The seed's share of the object's place, size and depth",
        caption="Share of the variance of the object's position, size and depth that the seed "
        "explains, with 95 % intervals.",
        width=7,
        height=2.9,
    )


def positions_figure(
    seeds: Sequence[Mapping[str, Any]], objects: Mapping[str, Sequence[Mapping[str, Any]]]
) -> DrawnFigure:
    """Draw the mean position of each seed; dots show the size, their colours the depth.

    Args:
        seeds: The rows of the table "seeds", over all objects.
        objects: Name of an object -> its rows of the table "objects".
    """
    area = 900 * min(1.0, FULL_SIZE_SEEDS / len(seeds))

    def draw(axes: "Axes", item: tuple[str, Sequence[Mapping[str, Any]]]) -> None:
        name, rows = item
        x, y, size, depth = (plots.column(rows, measure) for measure in LAYOUT)
        dots = axes.scatter(x, y, s=area * np.nan_to_num(size), c=depth, alpha=0.7, lw=0)
        label = "depth (share that is nearer)"
        axes.figure.colorbar(dots, ax=axes, label=label, location="bottom", pad=0.04, aspect=30)
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", title=name)
        axes.set(xlabel="x, from the left (share)", ylabel="y, from the top (share)")

    return plots.panel_each(
        [("all objects", seeds), *objects.items()],
        draw,
        title="Where each seed puts the object",
        caption="One dot per seed: the mean position of the object over its images. The size of "
        "the dot is the object's size, the colour its depth.",
        width=3.6,
        height=4,
    )


def extremes_sheet(run: Run, sets: Sequence[Layouts], object_name: str) -> dict[str, DrawnFigure]:
    """Show the seeds that are extreme on set 1 with their images of set 2.

    Returns:
        Name of the file -> figure; empty if no such image was kept.
    """
    first, second = sets
    rows = []
    for measure in LAYOUT:
        on_first, on_second = (layouts.of_object(measure, object_name) for layouts in sets)
        found = np.flatnonzero(np.isfinite(on_first))
        order = found[np.argsort(on_first[found], kind="stable")]
        for end, extreme in zip(ENDS[measure], (order[:1], order[-1:]), strict=True):
            for index in extreme:
                seed, value = first.seeds[index], f"{measure} on set 2:\n{on_second[index]:.2f}"
                rows.append(Row(f"seed {seed}\n{end}\n{value}", seed))
    prompts = [prompt for prompt in second.prompts if prompt.object == object_name]
    key = "".join(letter if letter.isalnum() else "_" for letter in object_name)
    try:
        drawn = draw_sheet(run, rows, prompts[:SHEET_PROMPTS])
    except RunError:
        return {}
    caption = (
        f"Rows: the seeds that put the {object_name} farthest to each end on set 1, with their "
        f"means on set 2. Columns: prompts of set 2."
    )
    return {f"sheet_{key}": plots.sheet(drawn, caption)}
