"""Draw the similarities to both seeds, and images of both seeds with their swaps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.extraction.images import read_images
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.studies.seed_swap.swaps import Swap
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

STRIP_ROWS = 4
"""Prompts that the strip shows."""
COLOURS = {"to_i": plots.GOOD, "to_j": plots.BAD, "to_other": plots.QUIET}
LABELS = {"to_i": "seed of the start", "to_j": "seed of the steps", "to_other": "any other"}


def similarity_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw similarity against the step of the swap, one panel per measure."""
    title = "Which seed an image follows, by the step at which the noise is swapped"
    return _figure(rows, "step", "first step with the other seed's noise", title)


def eta_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw similarity against eta, with the noise of all steps swapped; one panel per measure."""
    title = "Which seed an image follows, by how strong the noise of the steps is"
    return _figure(rows, "eta", "eta, with the other seed's noise in all steps", title)


def _figure(rows: Sequence[Mapping[str, Any]], x: str, x_label: str, title: str) -> DrawnFigure:
    measures = list(dict.fromkeys(row["measure"] for row in rows))

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, measure in zip(plots.panels(figure, 1, len(measures)), measures, strict=True):
            shown = [row for row in rows if row["measure"] == measure]
            values = sorted({row[x] for row in shown})
            for column, colour in COLOURS.items():
                y = [np.mean([r[column] for r in shown if r[x] == value]) for value in values]
                label = LABELS[column]
                axes.plot(values, y, color=colour, marker="o", markersize=4, label=label)
            axes.set(title=measure, xlabel=x_label)
            axes.set_ylabel("similarity to this run's image")

    return plots.figure(
        draw,
        title=title,
        caption="Mean similarity of images whose noise was swapped to the image of the seed that "
        "gave the start, of the seed that gave the steps, and of any other seed.",
        width=4.8 * len(measures),
        height=3.8,
    )


def strip_figure(run: Run, swaps: Sequence[Swap], prompts: Sequence[Prompt]) -> DrawnFigure:
    """Show seed i, its swaps from the latest to the earliest, and seed j; one row per prompt."""
    j = swaps[0].seed
    i = next(seed for seed in sorted(run.seeds) if seed != j)
    shown = prompts[:STRIP_ROWS]
    to_j = [swap for swap in swaps if swap.seed == j and i in swap.run.seeds]
    late_first = sorted(to_j, key=lambda swap: -swap.step)
    columns = [(f"seed {i}", run, i)]
    columns += [(f"to {j} at {swap.step}", swap.run, i) for swap in late_first]
    columns += [(f"seed {j}", run, j)]
    images = [read_images(source, [(p.id, seed) for p in shown]) for _, source, seed in columns]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for index, axes in enumerate(plots.panels(figure, len(shown), len(columns))):
            row, column = divmod(index, len(columns))
            title, _, seed = columns[column]
            axes.imshow(images[column][(shown[row].id, seed)])
            axes.set_axis_off()
            if row == 0:
                axes.set_title(title, size=8)

    return plots.figure(
        draw,
        title=f"From seed {i} to seed {j}: the step noise is swapped ever earlier",
        caption="One row per prompt. First and last column: images of the two seeds. Between "
        "them: the start of the first seed with the step noise of the second, from the named step "
        "on.",
        width=1.3 * len(columns),
        height=1.4 * len(shown) + 0.4,
    )
