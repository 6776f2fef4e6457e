"""Stream images from shards in batches: a few shards in memory at a time, decoded ahead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.extraction.images import decode_rows
from analysis.statistics.parallel import ahead
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

BUFFER_BYTES = 256 * 2**20
"""Size of the decoded images that are shuffled together; at least one shard."""

Ints = NDArray[np.int64]


class ImageBatch(NamedTuple):
    """The images of some cells.

    Attributes:
        images: Shape (B, H, W, 3), uint8.
        seeds: Shape (B,), index of each image's seed among the stream's seeds.
        prompts: Shape (B,), index of each image's prompt among the stream's prompts.
    """

    images: Uint8Images
    seeds: Ints
    prompts: Ints

    def take(self, rows: Ints | slice) -> "ImageBatch":
        """Some of the images."""
        return ImageBatch(self.images[rows], self.seeds[rows], self.prompts[rows])


def joined(parts: Sequence[ImageBatch]) -> ImageBatch:
    """Concatenate several batches."""
    return ImageBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Stream:
    """The images of some prompts and seeds of a run.

    Attributes:
        run: The run.
        prompts: The prompts; the run must keep their images.
        seeds: The seeds; a label is an index into this list.
        buffer_bytes: Size of the decoded images that are in memory at a time.
    """

    run: Run
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    buffer_bytes: int = BUFFER_BYTES

    @property
    def cells(self) -> int:
        """Number of cells, including failed cells."""
        return len(self.prompts) * len(self.seeds)

    def batches(self, size: int, rng: np.random.Generator | None = None) -> Iterator[ImageBatch]:
        """Read all images once, in batches of one size; the last batch may be smaller.

        Args:
            size: Images per batch.
            rng: Shuffles the shards, and the images of the shards that are in memory together;
                None keeps the order of the grid.

        Raises:
            RunError: If a shard is not drawn, or an image of a usable cell is not kept.
        """
        return ahead(self._batches(size, rng))

    def _batches(self, size: int, rng: np.random.Generator | None) -> Iterator[ImageBatch]:
        rest: ImageBatch | None = None
        for part in self._parts(rng):
            pool = part if rest is None else joined([rest, part])
            pool = pool if rng is None else pool.take(rng.permutation(len(pool.seeds)))
            end = len(pool.seeds) // size * size
            for start in range(0, end, size):
                yield pool.take(slice(start, start + size))
            rest = pool.take(slice(end, None))
        if rest is not None and len(rest.seeds):
            yield rest

    def _parts(self, rng: np.random.Generator | None) -> Iterator[ImageBatch]:
        """Read the images that are in memory together: those of a few shards."""
        tiles = self.tiles()
        order = range(len(tiles)) if rng is None else rng.permutation(len(tiles))
        images: list[ImageBatch] = []
        for index in order:
            images.append(self._read(tiles[index]))
            if sum(part.images.nbytes for part in images) >= self.buffer_bytes:
                yield joined(images)
                images = []
        if images:
            yield joined(images)

    def tiles(self) -> list[Tile]:
        """The tiles that hold a cell of the stream, in drawing order."""
        prompts, seeds = {prompt.id for prompt in self.prompts}, set(self.seeds)
        return [
            tile
            for tile in self.run.tiles()
            if not prompts.isdisjoint(tile.prompt_ids) and not seeds.isdisjoint(tile.seeds)
        ]

    def _read(self, tile: Tile) -> ImageBatch:
        receipt = self.run.images.receipt(tile.id, tile.block)
        if receipt is None:
            raise RunError(
                f"tile {tile.id} is not drawn; the classifier needs all cells: repeat the same "
                f"`goldenseed generate`"
            )
        columns = ["prompt_id", "seed", "image", "image_sha256"]
        rows = self.run.images.read(receipt, columns)
        prompts = _indices(rows["prompt_id"], [prompt.id for prompt in self.prompts])
        seeds = _indices(rows["seed"], self.seeds)
        wanted = (prompts >= 0) & (seeds >= 0) & np.asarray(rows["image_sha256"].is_valid())
        config = self.run.config
        images, kept = decode_rows(
            rows.filter(pa.array(wanted)), height=config.height, width=config.width
        )
        if not all(kept):
            raise RunError(
                f"shard {receipt.file} does not keep all of its images; the classifier needs "
                f"them: set `keep_images: all` in the recipe of a new run"
            )
        return ImageBatch(images, seeds[wanted], prompts[wanted])


def _indices(column: pa.ChunkedArray, known: Sequence[object]) -> Ints:
    """Index of each value in a list, -1 if it is not in the list."""
    indices = pc.index_in(column, value_set=pa.array(known, type=column.type)).fill_null(-1)
    return np.asarray(indices.to_numpy(), dtype=np.int64)
