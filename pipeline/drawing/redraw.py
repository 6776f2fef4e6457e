"""Draw a cell again in batches of several sizes, to see how far an image is reproducible.

The size of a batch changes the order in which a machine adds numbers, and so the last bits of an
image. The difference is usually within 1 of 255. A larger difference means that something
besides prompt, seed and settings decides: another model file, another device, or a sampler that
draws from a random stream of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.batch import Batch
from pipeline.drawing.stage.loading import load_model
from pipeline.errors import RunError
from pipeline.models.base import Model
from pipeline.prompts.conditions import FOLDER, Conditions
from pipeline.runs.run import Run
from pipeline.settings.groups import group_size
from pipeline.stage import Uint8Images

Cell = tuple[str, int]
"""Id of a prompt, and seed."""


@dataclass(frozen=True)
class Difference:
    """How far two images of the same cell differ.

    Attributes:
        largest: Largest difference of a value, of 255.
        share: Share of the values that differ, 0 to 1.
    """

    largest: int
    share: float

    @classmethod
    def of(cls, left: Uint8Images, right: Uint8Images) -> Self:
        """Compare two images of the same shape.

        Example:
            >>> Difference.of(np.zeros((1, 1, 4), np.uint8), np.array([[[0, 0, 0, 3]]], np.uint8))
            Difference(largest=3, share=0.25)
        """
        distance: npt.NDArray[np.int_] = abs(left.astype(int) - right.astype(int))
        return cls(int(distance.max()), float((distance > 0).mean()))


def redraw(run: Run, cell: Cell, sizes: Iterable[int]) -> Iterator[tuple[int, Uint8Images]]:
    """Draw one cell in batches of several sizes.

    Args:
        run: The run; its model is loaded once.
        cell: The cell. It is drawn at the last place of each batch, behind other cells of the grid.
        sizes: Sizes of the batches.

    Yields:
        The size and the image, (H, W, 3) uint8.

    Raises:
        RunError: If the image is not finite, or the intervention needs several cells at once.
        GoldenseedError: If the model does not load.
    """
    group = group_size(run.config.intervention.name)
    if group > 1:
        raise RunError(
            f"the intervention {run.config.intervention.name} draws {group} cells together, so no "
            f"cell can be drawn alone"
        )
    model, conditions = load_model(run), Conditions(run.root / FOLDER)
    others = [other for tile in run.tiles() for other in tile.cells if other != cell]
    for size in sizes:
        cells = [*(others[index % len(others)] for index in range(size - 1)), cell]
        yield size, _draw_last(run, model, cells, conditions)


def _draw_last(run: Run, model: Model, cells: list[Cell], conditions: Conditions) -> Uint8Images:
    prompts, seeds = zip(*cells, strict=True)
    drawn = model.generate(Batch(tuple(run.prompts[name] for name in prompts), seeds, conditions))
    if not drawn.finite[-1]:
        raise RunError(f"the image of seed {seeds[-1]} is not finite, so it cannot be compared")
    image: Uint8Images = drawn.images[-1]
    return image
