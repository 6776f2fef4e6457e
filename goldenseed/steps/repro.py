"""Draw one cell of a run again, and compare it with the image that the run holds."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis.extraction.images import read_images
from goldenseed.progress import note
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from pipeline.drawing.redraw import Difference

BATCH_SIZES: Final = (1, 2, 8)


def choose_cell(run: Run, seed: int | None) -> tuple[str, int]:
    """Choose the first cell of the grid with a seed.

    Args:
        run: The run.
        seed: A seed of the run; None for the first.

    Raises:
        RunError: If the run has no such seed.
    """
    for tile in run.tiles():
        for cell in tile.cells:
            if seed is None or cell[1] == seed:
                return cell
    raise RunError(f"{run.root} has no seed {seed}; it has {len(run.seeds):,}, from {run.seeds[0]}")


@dataclass(frozen=True)
class Repetition:
    """A cell that was drawn again.

    Attributes:
        batch: Images drawn together with it, itself included.
        stored: Difference from the image that the run holds; None if it holds none.
        alone: Difference from the image of a batch of one.
    """

    batch: int
    stored: "Difference | None"
    alone: "Difference"


def repeat(run: Run, cell: tuple[str, int]) -> "Iterator[Repetition]":
    """Draw a cell in batches of 1, 2 and 8 images, and compare the images.

    Args:
        run: The run.
        cell: Id of a prompt, and seed.
    """
    from pipeline.drawing.redraw import Difference, redraw

    stored = read_images(run, [cell]).get(cell)
    if stored is None:
        note(f"{run.root} holds no image of this cell, so only new images are compared")
    images = redraw(run, cell, BATCH_SIZES)
    size, alone = next(images)
    for batch, image in itertools.chain([(size, alone)], images):
        from_stored = None if stored is None else Difference.of(image, stored)
        yield Repetition(batch, from_stored, Difference.of(image, alone))
