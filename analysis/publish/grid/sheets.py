"""Make the sheets of all levels, in parallel and in bounded memory; an interruption loses little.

A *unit* is 4 x 4 sheets of the finest level, 2048 pixels a side whatever the size of the run. Each
unit is read, cut into its sheets, and reduced; what the coarser levels need of it is kept in a
small file, which also says that the unit is done.
"""

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.extraction.images import read_tile_images
from analysis.publish.grid.layout import FACTOR, SHEET, Layout, Position, sheet_name
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

LIMIT = 200_000
"""Bytes of a sheet, at most."""
QUALITIES = (82, 72, 60, 45, 30, 15)
"""JPEG qualities; the first whose sheet is within `LIMIT` is used."""
BLANK = (120, 120, 120)
"""Colour of a cell without an image, and of the margin of an image that is not square."""
READ_BYTES = 2**26
"""Pixels that are decoded at once, in bytes."""
WORK = "work"

Seen = NDArray[np.bool_]
Progress = Callable[[int, int], object]
"""Called with the number of units that are done and of all units."""


@dataclass(frozen=True)
class Source:
    """What sheets are made from.

    Attributes:
        run: The run.
        seeds: Its seeds in the order of the columns.
        prompts: Ids of the prompts in the order of the rows.
        layout: The sheets.
    """

    run: Run
    seeds: tuple[int, ...]
    prompts: tuple[str, ...]
    layout: Layout

    @property
    def units(self) -> list[Position]:
        """The positions of all units, row by row."""
        width, height = self.layout.extent(0)
        return [(x, y) for y in range(-(-height // FACTOR)) for x in range(-(-width // FACTOR))]

    def sheets_of(self, unit: Position) -> list[Position]:
        """The sheets of the finest level in a unit."""
        width, height = self.layout.extent(0)
        xs = range(unit[0] * FACTOR, min(width, (unit[0] + 1) * FACTOR))
        ys = range(unit[1] * FACTOR, min(height, (unit[1] + 1) * FACTOR))
        return [(x, y) for y in ys for x in xs]

    def cells_of(self, unit: Position) -> tuple[range, range]:
        """Indices of the seeds and of the prompts in a unit."""
        step = FACTOR * self.layout.per_sheet(0)
        columns = range(unit[0] * step, min(self.layout.seeds, (unit[0] + 1) * step))
        rows = range(unit[1] * step, min(self.layout.prompts, (unit[1] + 1) * step))
        return columns, rows


def make_sheets(source: Source, folder: Path, progress: Progress) -> Seen:
    """Make all sheets that are not made yet.

    Args:
        source: What they are made from.
        folder: Where to write them, and the files in `work/` that make the work resumable.
        progress: Called after each unit.

    Returns:
        Which cells have an image, shape (S, P).

    Raises:
        ShardError: If an image is damaged.
    """
    seen = np.zeros((source.layout.seeds, source.layout.prompts), dtype=bool)
    units, tiles = source.units, [*source.run.tiles()]
    pool = ThreadPoolExecutor(_cores())  # Pillow and hashlib release the interpreter's lock
    try:
        parts = pool.map(lambda unit: _unit(source, tiles, unit, folder), units)
        for done, (unit, part) in enumerate(zip(units, parts, strict=True), start=1):
            columns, rows = source.cells_of(unit)
            seen[columns.start : columns.stop, rows.start : rows.stop] = part
            progress(done, len(units))
    finally:
        pool.shutdown(cancel_futures=True)
    for level in range(2, len(source.layout.sides)):
        _merge(source.layout, level, folder)
    return seen


def sample_bytes(source: Source, units: Iterable[Position]) -> tuple[int, int]:
    """Make some units in memory to learn their size.

    Args:
        source: What they are made from.
        units: The units.

    Returns:
        Number of cells, and bytes of their sheets in the two finest levels.
    """
    cells = size = 0
    tiles = [*source.run.tiles()]
    for unit in units:
        picture, seen = _read_unit(source, tiles, unit)
        cells += seen.size
        size += sum(len(data) for _, data in _files(source, unit, picture))
    return cells, size


def encode(sheet: Image.Image, *, fine: bool) -> bytes:
    """Encode a sheet within `LIMIT` bytes.

    Args:
        sheet: At most 512 x 512 pixels.
        fine: Whether cells are many pixels wide. Colour is stored at half resolution then; in
            cells of a few pixels it would run into the neighbours.
    """
    for quality in QUALITIES:
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, subsampling=2 if fine else 0)
        if buffer.tell() <= LIMIT:
            break
    return buffer.getvalue()


def _cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unit(source: Source, tiles: list[Tile], unit: Position, folder: Path) -> Seen:
    """Make the sheets of a unit, unless they are made; return which of its cells have images."""
    done = _work_file(folder, 1, unit)
    if done.exists():
        with np.load(done) as kept:
            return np.asarray(kept["seen"])
    picture, seen = _read_unit(source, tiles, unit)
    for name, data in _files(source, unit, picture):
        _write(folder / name, data)
    reduced = np.asarray(picture.reduce(FACTOR).reduce(FACTOR))
    _keep(done, reduced, seen)
    return seen


def _files(source: Source, unit: Position, picture: Image.Image) -> Iterable[tuple[str, bytes]]:
    """Name and bytes of the sheets of a unit, in the finest level and in the next."""
    sides = source.layout.sides
    for x, y in source.sheets_of(unit):
        left, top = (x - unit[0] * FACTOR) * SHEET, (y - unit[1] * FACTOR) * SHEET
        box = (left, top, min(left + SHEET, picture.width), min(top + SHEET, picture.height))
        yield sheet_name(0, (x, y)), encode(picture.crop(box), fine=True)
    if len(sides) > 1:
        yield sheet_name(1, unit), encode(picture.reduce(FACTOR), fine=sides[1] >= 16)


def _read_unit(source: Source, tiles: list[Tile], unit: Position) -> tuple[Image.Image, Seen]:
    """Put the images of a unit together at the size of its cells."""
    columns, rows = source.cells_of(unit)
    side = source.layout.cell
    picture = Image.new("RGB", (len(columns) * side, len(rows) * side), BLANK)
    seen = np.zeros((len(columns), len(rows)), dtype=bool)
    column = {source.seeds[i]: i - columns.start for i in columns}
    row = {source.prompts[i]: i - rows.start for i in rows}
    for tile in tiles:
        prompts = [prompt for prompt in tile.prompt_ids if prompt in row]
        cells = [(prompt, seed) for prompt in prompts for seed in tile.seeds if seed in column]
        for (prompt, seed), pixels in _images(source.run, tile, cells):
            x, y = column[seed], row[prompt]
            seen[x, y] = True
            _paste(picture, pixels, x * side, y * side, side)
    return picture, seen


def _images(
    run: Run, tile: Tile, cells: list[tuple[str, int]]
) -> Iterable[tuple[tuple[str, int], Uint8Images]]:
    """Read images of a tile, a few at a time."""
    step = max(1, READ_BYTES // (run.config.height * run.config.width * 3))
    for start in range(0, len(cells), step):
        yield from read_tile_images(run, tile, cells[start : start + step]).items()


def _paste(picture: Image.Image, pixels: Uint8Images, x: int, y: int, side: int) -> None:
    """Paste an image into the middle of its cell."""
    image = Image.fromarray(pixels)
    scale = side / max(image.size)
    if scale != 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    picture.paste(image, (x + (side - image.width) // 2, y + (side - image.height) // 2))


def _merge(layout: Layout, level: int, folder: Path) -> None:
    """Make a level from what was kept of the level before."""
    for x, y in layout.sheets(level):
        size = (
            len(layout.columns(level, x)) * layout.sides[level],
            len(layout.rows(level, y)) * layout.sides[level],
        )
        sheet = Image.new("RGB", size, BLANK)
        part = SHEET // FACTOR
        for i, j in ((i, j) for j in range(FACTOR) for i in range(FACTOR)):
            kept = _work_file(folder, level - 1, (x * FACTOR + i, y * FACTOR + j))
            if kept.exists():
                with np.load(kept) as arrays:
                    sheet.paste(Image.fromarray(arrays["reduced"]), (i * part, j * part))
        data = encode(sheet, fine=layout.sides[level] >= 16)
        _write(folder / sheet_name(level, (x, y)), data)
        _keep(_work_file(folder, level, (x, y)), np.asarray(sheet.reduce(FACTOR)), np.zeros(0))


def _work_file(folder: Path, level: int, position: Position) -> Path:
    return folder / WORK / f"{level}-{position[0]}-{position[1]}.npz"


def _keep(path: Path, reduced: Uint8Images, seen: NDArray[np.generic]) -> None:
    """Keep what coarser levels need; the file appears once it is whole."""
    buffer = io.BytesIO()
    np.savez(buffer, reduced=reduced, seen=seen)
    _write(path.with_suffix(".part"), buffer.getvalue())
    path.with_suffix(".part").replace(path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
