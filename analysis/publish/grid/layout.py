"""Where each image lies: sheets of cells, in levels of which each is a quarter of the last.

A sheet is a JPEG of at most 512 x 512 pixels that holds a square of cells, in the order of the run.
The page puts cells together in any other order itself, so an order costs no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SHEET = 512
"""Side of a sheet in pixels."""
FACTOR = 4
"""A cell of one level is this many times as wide as a cell of the next."""
CELLS = (32, 64, 128, 256)
"""Sides that a cell may have at the finest level, in pixels."""
DEFAULT_CELL = 128

Position = tuple[int, int]
"""(column, row) of a sheet in its level."""


@dataclass(frozen=True)
class Layout:
    """The sheets of a grid.

    Attributes:
        seeds: Number of seeds, which are columns.
        prompts: Number of prompts, which are rows.
        cell: Side of a cell at the finest level in pixels, one of `CELLS`.

    Example:
        >>> layout = Layout(seeds=1024, prompts=240, cell=64)
        >>> layout.sides
        (64, 16, 4, 1)
        >>> [len(list(layout.sheets(level))) for level in range(4)]
        [3840, 256, 16, 2]
    """

    seeds: int
    prompts: int
    cell: int

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of a cell in each level, the finest first; the last level is one sheet if it can."""
        sides = [self.cell]
        while sides[-1] >= FACTOR and max(self.seeds, self.prompts) * sides[-1] > SHEET:
            sides.append(sides[-1] // FACTOR)
        return tuple(sides)

    def per_sheet(self, level: int) -> int:
        """Number of cells along a side of a sheet."""
        return SHEET // self.sides[level]

    def sheets(self, level: int) -> Iterator[Position]:
        """The positions of all sheets of a level, row by row."""
        width, height = self.extent(level)
        return ((x, y) for y in range(height) for x in range(width))

    def extent(self, level: int) -> tuple[int, int]:
        """Number of sheets of a level along both axes."""
        per_sheet = self.per_sheet(level)
        return -(-self.seeds // per_sheet), -(-self.prompts // per_sheet)

    def columns(self, level: int, x: int) -> range:
        """Indices of the seeds on the sheets of a column."""
        per_sheet = self.per_sheet(level)
        return range(x * per_sheet, min(self.seeds, (x + 1) * per_sheet))

    def rows(self, level: int, y: int) -> range:
        """Indices of the prompts on the sheets of a row."""
        per_sheet = self.per_sheet(level)
        return range(y * per_sheet, min(self.prompts, (y + 1) * per_sheet))


def sheet_name(level: int, position: Position) -> str:
    """Name of a sheet's file.

    Example:
        >>> sheet_name(1, (3, 0))
        'sheets/1/3-0.jpg'
    """
    return f"sheets/{level}/{position[0]}-{position[1]}.jpg"


def fitting_cell(width: int, height: int) -> int:
    """Largest side of a cell up to `DEFAULT_CELL` that does not enlarge images.

    Args:
        width: Width of an image in pixels.
        height: Its height.

    Example:
        >>> fitting_cell(64, 64), fitting_cell(1024, 768), fitting_cell(16, 16)
        (64, 128, 32)
    """
    sides = [side for side in CELLS if side <= min(DEFAULT_CELL, max(width, height))]
    return max(sides, default=CELLS[0])
