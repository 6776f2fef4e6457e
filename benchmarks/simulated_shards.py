"""Write the shards and receipts of a simulated run, with numbers that are drawn."""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.extraction.extract import feature_folder, run_features
from pipeline.registry import allow_code
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.storage.parquet import footer_sha256, write_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGES, STATUS_OK
from pipeline.storage.shards import ShardFolder

SEED_EFFECT, PROMPT_EFFECT, NOISE = 0.1, 0.7, 0.7
"""Standard deviations of a number's parts: the seed's share of the variance is 1 %."""
TILES_AT_ONCE = 256
EMPTY_BYTES = 25_000


def write_tiles(run: Run, tiles: list[Tile], *, processes: int, empty: bool) -> None:
    """Write shards and receipts of some tiles of a simulated run."""
    parts = [tiles[i : i + TILES_AT_ONCE] for i in range(0, len(tiles), TILES_AT_ONCE)]
    write = partial(_write_part, run.root, empty=empty)
    if processes == 1:
        for part in parts:
            write(part)
        return
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        for _ in pool.map(write, parts):
            pass


def _write_part(root: Path, tiles: list[Tile], *, empty: bool) -> None:
    allow_code(allowed=True)
    writer = _Writer(Run.open(root), empty=empty)
    with _without_flushing():
        for tile in tiles:
            writer.write(tile)


@contextmanager
def _without_flushing() -> Iterator[None]:
    """Leave out fsync, which is not what is measured here."""
    flush, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = flush


class _Writer:
    """Writes the shards of tiles, one of the images and one of each feature."""

    def __init__(self, run: Run, *, empty: bool) -> None:
        self.run, self.empty = run, empty

    @cached_property
    def features(self) -> list[tuple[ShardFolder, pa.Schema]]:
        """Folder and columns of each feature."""
        features = run_features(self.run, self.run.recipe.features)
        return [(feature_folder(self.run, each), each.table.arrow()) for each in features]

    def write(self, tile: Tile) -> None:
        """Write all shards of a tile."""
        keys = {} if self.empty else _cell_keys(tile)
        self._commit(self.run.images, tile, IMAGES.arrow(), {**keys, **_states(tile)}, source="")
        for folder, schema in self.features:
            fields = [] if self.empty else list(schema)[len(keys) + 1 :]
            values = {field.name: _values(tile, field) for field in fields}
            self._commit(folder, tile, schema, {**keys, **values}, source=tile.id)

    def _commit(
        self,
        folder: ShardFolder,
        tile: Tile,
        schema: pa.Schema,
        columns: Mapping[str, Any],
        *,
        source: str,
    ) -> None:
        file = f"{tile.block}/{tile.id}-00000000.parquet"
        path = folder.store.path(f"{folder.prefix}/{file}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if self.empty:
            path.touch()
            os.truncate(path, EMPTY_BYTES)
        else:
            write_table(path, _table(schema, columns), provenance={})
        receipt = Receipt(
            tile.id, tile.block, file, len(tile.seeds) * len(tile.prompt_ids),
            path.stat().st_size, tile.id, self.run.run_id,
            "" if self.empty else footer_sha256(path), source_sha256=source,
        )  # fmt: skip
        key = folder.store.path(folder.receipt_key(tile.id, tile.block))
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_bytes(receipt.to_json())


def _cell_keys(tile: Tile) -> dict[str, pa.Array]:
    prompt_ids = np.repeat(np.array(tile.prompt_ids), len(tile.seeds))
    return {
        "prompt_id": pa.array(prompt_ids),
        "seed": pa.array(np.tile(np.array(tile.seeds), len(tile.prompt_ids))),
    }


def _states(tile: Tile) -> dict[str, pa.Array]:
    return {"status": pa.array([STATUS_OK] * len(tile.seeds) * len(tile.prompt_ids))}


def _values(tile: Tile, field: pa.Field) -> pa.Array:
    """Draw the value of each cell: a number, or a vector whose numbers differ by noise alone."""
    numbers = _numbers(tile, field.name)
    if not pa.types.is_fixed_size_list(field.type):
        return pa.array(numbers)
    width = field.type.list_size
    rng = np.random.default_rng(int(tile.id, 16))
    vectors = rng.standard_normal((len(numbers), width), dtype=np.float32)
    vectors += PROMPT_EFFECT + SEED_EFFECT * numbers[:, None]
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width)


def _numbers(tile: Tile, name: str) -> NDArray[np.float32]:
    """Draw a number of each cell, prompt by prompt; the same in any order of writing."""
    seeds = _normal(f"{name} of seeds", tile.seeds)
    prompts = _normal(f"{name} of prompts", [int(prompt, 16) for prompt in tile.prompt_ids])
    rng = np.random.default_rng([zlib.crc32(name.encode()), int(tile.id, 16)])
    values = NOISE * rng.standard_normal((len(prompts), len(seeds)))
    values += SEED_EFFECT * seeds + PROMPT_EFFECT * prompts[:, None]
    return values.astype(np.float32).ravel()


def _normal(stream: str, names: Sequence[int]) -> NDArray[np.float64]:
    """Give each name its own normal number."""
    key = zlib.crc32(stream.encode())
    return np.array([np.random.default_rng([key, name]).standard_normal() for name in names])


def _table(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    rows = len(columns["seed"])
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
