"""Pictures from the shards, in batches: some shards in memory at a time, decoded ahead."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.extraction.images import decode_rows
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

BUFFER_BYTES = 256 * 2**20
"""Decoded pictures that are mixed with one another; at least one shard."""
AHEAD = 8
"""Batches that are ready before they are asked for."""

Ints = NDArray[np.int64]
ItemT = TypeVar("ItemT")


class Pictures(NamedTuple):
    """Some cells.

    Attributes:
        images: (B, H, W, 3) uint8.
        seeds: (B,) place of each one's seed among the stream's seeds.
        prompts: (B,) place of its prompt among the stream's prompts.
    """

    images: Uint8Images
    seeds: Ints
    prompts: Ints

    def take(self, places: Ints | slice) -> "Pictures":
        """Some of them."""
        return Pictures(self.images[places], self.seeds[places], self.prompts[places])


def joined(parts: Sequence[Pictures]) -> Pictures:
    """Several one after the other."""
    return Pictures(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Stream:
    """The pictures of some prompts and seeds of a run.

    Attributes:
        run: The run.
        prompts: The prompts; only those whose images the run keeps can be read.
        seeds: The seeds; a label is a place in this list.
        buffer_bytes: Decoded pictures in memory at a time.
    """

    run: Run
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    buffer_bytes: int = BUFFER_BYTES

    @property
    def cells(self) -> int:
        """Cells, failed ones included."""
        return len(self.prompts) * len(self.seeds)

    def batches(self, size: int, rng: np.random.Generator | None = None) -> Iterator[Pictures]:
        """All pictures once, in batches of one size; the last may be smaller.

        Args:
            size: Images in a batch.
            rng: Mixes the shards, and the pictures of those that are in memory together; None
                keeps the order of the grid.

        Raises:
            RunError: If a shard is not drawn, or a picture of a usable cell is not kept.
        """
        return ahead(self._batches(size, rng))

    def _batches(self, size: int, rng: np.random.Generator | None) -> Iterator[Pictures]:
        rest: Pictures | None = None
        for part in self._parts(rng):
            pool = part if rest is None else joined([rest, part])
            pool = pool if rng is None else pool.take(rng.permutation(len(pool.seeds)))
            whole = len(pool.seeds) // size * size
            for start in range(0, whole, size):
                yield pool.take(slice(start, start + size))
            rest = pool.take(slice(whole, None))
        if rest is not None and len(rest.seeds):
            yield rest

    def _parts(self, rng: np.random.Generator | None) -> Iterator[Pictures]:
        """What is in memory at a time: the wanted pictures of some shards."""
        tiles = self.tiles()
        order = range(len(tiles)) if rng is None else rng.permutation(len(tiles))
        images: list[Pictures] = []
        for place in order:
            images.append(self._read(tiles[place]))
            if sum(part.images.nbytes for part in images) >= self.buffer_bytes:
                yield joined(images)
                images = []
        if images:
            yield joined(images)

    def tiles(self) -> list[Tile]:
        """The tiles that hold a wanted cell, in drawing order."""
        prompts, seeds = {prompt.id for prompt in self.prompts}, set(self.seeds)
        return [
            tile
            for tile in self.run.tiles()
            if not prompts.isdisjoint(tile.prompt_ids) and not seeds.isdisjoint(tile.seeds)
        ]

    def _read(self, tile: Tile) -> Pictures:
        receipt = self.run.images.receipt(tile.id, tile.block)
        if receipt is None:
            raise RunError(
                f"tile {tile.id} is not drawn; the classifier needs all cells: the same "
                f"`goldenseed generate` again"
            )
        columns = ["prompt_id", "seed", "image", "image_sha256"]
        rows = self.run.images.read(receipt, columns)
        prompts = _places(rows["prompt_id"], [prompt.id for prompt in self.prompts])
        seeds = _places(rows["seed"], self.seeds)
        wanted = (prompts >= 0) & (seeds >= 0) & np.asarray(rows["image_sha256"].is_valid())
        config = self.run.config
        images, kept = decode_rows(
            rows.filter(pa.array(wanted)), height=config.height, width=config.width
        )
        if not all(kept):
            raise RunError(
                f"shard {receipt.file} keeps not all of its images; the classifier needs them: "
                f"set `keep_images` in the recipe of a new run"
            )
        return Pictures(images, seeds[wanted], prompts[wanted])


def _places(column: pa.ChunkedArray, known: Sequence[object]) -> Ints:
    """Place of each value in a list, -1 where it is not in it."""
    found = pc.index_in(column, value_set=pa.array(known, type=column.type)).fill_null(-1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def ahead(items: Iterator[ItemT], depth: int = AHEAD) -> Iterator[ItemT]:
    """The same items, made by a thread while the ones before are used.

    Pillow, hashlib and pyarrow let go of the interpreter's lock, so pictures are decoded while
    the network learns.

    Args:
        items: Made in the thread; its exception is raised here, at its place.
        depth: Items that wait at most.

    Example:
        >>> list(ahead(iter([1, 2, 3])))
        [1, 2, 3]
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, items, end) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not end:
                yield cast(ItemT, item)
                waiting.append(pool.submit(next, items, end))
        finally:
            pool.shutdown(cancel_futures=True)
