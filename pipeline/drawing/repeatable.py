"""Refuses a model whose images depend on more than their prompt and their seed.

The scheduler alone is tried before anything is loaded (`pipeline/models/rehearsal`). Here the
whole model draws: noise may also come from an autoencoder, a network or an intervention.
"""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image

from pipeline import global_streams
from pipeline.batch import Batch, Drawn
from pipeline.errors import ModelError, counted
from pipeline.models.base import Model
from pipeline.runs.run import Run
from pipeline.settings.choices import SEED_LIMIT
from pipeline.settings.groups import group_size
from pipeline.stage import Uint8Images

TOLERANCE = {"float32": 1, "float16": 16, "bfloat16": 32}
"""Largest difference of a pixel (0..255) between two places or two machines, by dtype."""

AGAIN = 1
"""Largest difference of a pixel (0..255) between two equal batches on one machine."""

Cells = list[tuple[str, int]]


def draw_repeatably(run: Run, model: Model, condition_images: Mapping[str, Image.Image]) -> Drawn:
    """Draw the run's first cells twice: at two places in the batch, with other shared streams.

    The cells are one group, and a second group of the same prompt with other seeds, if a batch
    holds two groups.

    Args:
        run: The run.
        model: Its model.
        condition_images: The condition images of its prompts.

    Returns:
        What was drawn first, with the run's first cells in front.

    Raises:
        ModelError: If no image is finite, or an image depends on its place in the batch or on a
            random stream other than the generator of its seed.
    """
    group = group_size(run.config.intervention.name)

    def draw(cells: Cells) -> Drawn:
        prompts = tuple(run.prompts[prompt] for prompt, _ in cells)
        return model.generate(Batch(prompts, tuple(seed for _, seed in cells), condition_images))

    cells = _cells(run, group)
    before = global_streams.positions()
    try:
        first = draw(cells)
    except torch.OutOfMemoryError:
        cells = cells[:group]  # as the batches of the run, which are halved
        first = draw(cells)
    used = global_streams.used_since(before)
    _refuse_nonfinite(run, first)
    global_streams.disturb()
    moved = draw(cells[group:] + cells[:group])
    elsewhere = _difference(first.images[:group], moved.images[-group:])
    if elsewhere <= TOLERANCE[run.config.dtype] and not used:
        return first
    global_streams.disturb()
    again = _difference(first.images, draw(cells).images)
    if again > (AGAIN if used else TOLERANCE[run.config.dtype]):
        raise ModelError(_words(run, used, again))
    if elsewhere > TOLERANCE[run.config.dtype]:
        raise ModelError(
            f"{_who(run)}: an image depends on its place in the batch (a pixel changes by "
            f"{elsewhere} of 255 when its neighbours change places), so a seed would not "
            f"determine its image: some of its noise is drawn for the whole batch. Use a "
            f"scheduler and a model whose noise comes from the generators of the seeds"
        )
    return first


def _cells(run: Run, group: int) -> Cells:
    """Choose the cells: the first group, and another one as often as the batch has room."""
    first = next(run.tiles()).cells[:group]
    size = run.config.batch_size
    places = (size if run.config.compiled else min(size, 2 * group)) // group
    step = group if max(seed for _, seed in first) + group < SEED_LIMIT else -group
    return first + [(prompt, seed + step) for prompt, seed in first] * (places - 1)


def _difference(a: Uint8Images, b: Uint8Images) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def _who(run: Run) -> str:
    config = run.config
    return f"card {config.card} with {config.scheduler}, {config.num_inference_steps} steps"


def _words(run: Run, used: list[str], difference: int) -> str:
    source = (
        " and ".join(f"the shared stream of {name}" for name in used)
        or "a random stream of its own, or computes differently each time"
    )
    return (
        f"{_who(run)}: the same prompt and seed gave two images (a pixel differs by {difference} "
        f"of 255): something draws from {source}, and not from the generators of the seeds. Use a "
        f"scheduler and a model whose noise comes from the generators"
    )


def _refuse_nonfinite(run: Run, drawn: Drawn) -> None:
    if drawn.finite.any():
        return
    config = run.config
    settings = ", ".join(f"{name}: {value}" for name, value in config.scheduler_config.items())
    raise ModelError(
        f"{_who(run)}, guidance_scale {config.guidance_scale:g}, {config.dtype}"
        f"{f' and {settings}' if settings else ''}: the decoder gave NaN or infinity for "
        f"{'all ' if len(drawn.finite) > 1 else ''}{counted(len(drawn.finite), 'image')} that "
        f"were drawn before the run, so its images would not be usable; change these settings"
        f"{', for example to dtype float32' if config.dtype != 'float32' else ''}"
    )
