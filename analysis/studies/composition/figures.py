"""Draw the shares, the mean position of every seed, and the images of the most extreme seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cells.vectors import LAYOUT
from analysis.pictures import plots
from analysis.pictures.contact_sheet import Row, draw_sheet
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


def shares_figure(shares: Sequence[dict[str, Any]]) -> bytes:
    """Draw the seed's share of every measure with its interval and its null."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        columns = [[row[key] for row in shares] for key in ("seed", "seed_low", "seed_high")]
        plots.intervals(axes, [row["measure"] for row in shares], *columns)
        for line, row in enumerate(shares):
            axes.plot([row["seed_null_high"]] * 2, [line - 0.3, line + 0.3], color=plots.BAD)
        axes.set_xlabel("the seed's share of the variance; red: 97.5th percentile of the null")

    return plots.figure_png(draw, width=6, height=2.6)


def positions_figure(layouts: Layouts, objects: Sequence[str]) -> bytes:
    """Draw the mean position of each seed; dots show the size, their colours the depth."""
    area = 1500 * min(1.0, FULL_SIZE_SEEDS / len(layouts.seeds))

    def draw(axes: "Axes", name: str) -> None:
        x, y, size, depth = (layouts.of_object(measure, name) for measure in LAYOUT)
        dots = axes.scatter(x, y, s=area * np.nan_to_num(size), c=depth, alpha=0.7, lw=0)
        axes.figure.colorbar(dots, ax=axes, label="depth", shrink=0.7)
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", title=f"{name}: one dot per seed")
        axes.set(xlabel="x, from the left", ylabel="y, from the top")

    return plots.panel_each(objects, draw, width=4.8, height=4.4)


def extremes_sheet(run: Run, sets: Sequence[Layouts], object_name: str) -> dict[str, bytes]:
    """Show the seeds that are extreme on set 1 with their images of set 2.

    Returns:
        Name of the file -> PNG; empty if no such image was kept.
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
        return {f"sheet_{key}": plots.image_png(draw_sheet(run, rows, prompts[:SHEET_PROMPTS]))}
    except RunError:
        return {}
