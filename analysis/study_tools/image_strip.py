"""Draw a strip of images: one column per seed or change, one row per prompt."""

from collections.abc import Sequence
from typing import Any

from analysis.extraction.images import read_images
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

STRIP_ROWS = 4
"""Prompts that a strip shows."""


def image_strip(
    columns: Sequence[tuple[str, Run, int]], prompts: Sequence[Prompt], *, title: str, caption: str
) -> DrawnFigure:
    """Draw a strip of images.

    Args:
        columns: Title, run and seed of each column.
        prompts: Prompts, of which the first four are shown.
        title: What is seen.
        caption: What the columns are.
    """
    shown = prompts[:STRIP_ROWS]
    images = [read_images(source, [(p.id, seed) for p in shown]) for _, source, seed in columns]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for index, axes in enumerate(plots.panels(figure, len(shown), len(columns))):
            row, column = divmod(index, len(columns))
            name, _, seed = columns[column]
            axes.imshow(images[column][(shown[row].id, seed)])
            axes.set_axis_off()
            if row == 0:
                axes.set_title(name, size=8)

    width, height = 1.3 * len(columns), 1.4 * len(shown) + 0.4
    return plots.figure(draw, title=title, caption=caption, width=width, height=height)
