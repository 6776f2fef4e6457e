"""Draw the similarities to both seeds, and images of both seeds with their swaps."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.pictures.plots import DrawnFigure
from analysis.studies.seed_swap.swaps import Swap
from analysis.study_tools.image_strip import image_strip
from analysis.study_tools.second_seed import similarity_figure, strip_columns
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

LABELS = {"to_i": "seed of the start", "to_j": "seed of the steps", "to_other": "any other"}
CAPTION = (
    "Mean similarity of images whose noise was swapped to the image of the seed that gave the "
    "start, of the seed that gave the steps, and of any other seed."
)


def step_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw similarity against the step of the swap, one panel per measure."""
    title = "Which seed an image follows, by the step at which the noise is swapped"
    x = ("step", "first step with the other seed's noise")
    return similarity_figure(rows, x, LABELS, title=title, caption=CAPTION)


def eta_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw similarity against eta, with the noise of all steps swapped; one panel per measure."""
    title = "Which seed an image follows, by how strong the noise of the steps is"
    x = ("eta", "eta, with the other seed's noise in all steps")
    return similarity_figure(rows, x, LABELS, title=title, caption=CAPTION)


def strip_figure(run: Run, swaps: Sequence[Swap], prompts: Sequence[Prompt]) -> DrawnFigure:
    """Show seed i, its swaps from the latest to the earliest, and seed j; one row per prompt."""
    j = swaps[0].seed
    late_first = sorted(swaps, key=lambda swap: (swap.seed != j, -swap.step))
    columns = strip_columns(run, late_first, lambda swap: f"to {j} at {swap.step}")
    return image_strip(
        columns,
        prompts,
        title=f"From seed {columns[0][2]} to seed {j}: the step noise is swapped ever earlier",
        caption="One row per prompt. First and last column: images of the two seeds. Between "
        "them: the start of the first seed with the step noise of the second, from the named step "
        "on.",
    )
