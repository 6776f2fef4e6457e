"""Make a run folder of any size without images: shards, receipts and features.

Everything that a reader of results opens is real: Parquet files with checksums, a receipt for each,
and features under their own identity. Only the pixels are missing, as in a run that keeps no
images, and the numbers are drawn: an effect of the seed, one of the prompt, and noise. Nothing is
flushed to the disk, which takes most of the time of a real commit.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.extraction.extract import feature_folder, run_features
from analysis.features.base import Batch, Columns, Feature
from analysis.metrics.base import MeanMetric, ReferenceMetric
from analysis.metrics.frechet import FrechetDistance
from analysis.metrics.kid import KernelDistance
from analysis.statistics.arrays import Floats
from goldenseed.steps.begin import load_prompts
from pipeline.registry import allow_code
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe, load_recipe
from pipeline.storage.parquet import footer_sha256, write_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGES, STATUS_OK, Column, vector
from pipeline.storage.shards import ShardFolder

SCALARS = ("appearance", "preference_seedling")
"""Features of one number an image."""
SEED_EFFECT, PROMPT_EFFECT, NOISE = 0.1, 0.7, 0.7
"""Standard deviations of a number's parts: the seed's share of the variance is 1 %."""
TILE = 32
TILES_AT_ONCE = 64


@dataclass(frozen=True)
class Grid:
    """How large a simulated run is.

    Attributes:
        seeds: Number of seeds.
        prompts: Number of prompts.
    """

    seeds: int
    prompts: int

    @property
    def cells(self) -> int:
        """Number of images that a real run of this size would draw."""
        return self.seeds * self.prompts


class Defect(MeanMetric):
    """A number of the simulation of which less is better, so that there are two to judge by."""

    name: ClassVar[str] = "benchmarks.simulated_run:Defect"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("appearance.sky_score",)


METRICS = ("preference_seedling", f"{__name__}:{Defect.__name__}", "brightness", "failure_rate")
"""Metrics of the scalar features."""


class Embedding(Feature):
    """As many numbers of an image as Inception gives."""

    name: ClassVar[str] = "embedding"
    code_version: ClassVar[int] = 1
    width: ClassVar[int] = 2048

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector."""
        return (Column("embedding", vector(self.width), "Drawn at random.", "0.."),)

    def extract(self, batch: Batch) -> Columns:
        """Refuse to measure: there are no images."""
        raise NotImplementedError


class Distances(ReferenceMetric):
    """What the distances of the simulation share: their feature, and a reference drawn like it."""

    needs: ClassVar[tuple[str, ...]] = ("benchmarks.simulated_run:Embedding.embedding",)
    images: ClassVar[int] = 10_000

    @cached_property
    def reference(self) -> Floats:
        """Vectors of images of no seed, shape (10000, d)."""
        width = Embedding.width
        return np.random.default_rng(0).standard_normal((self.images, width)) + PROMPT_EFFECT


class Frechet(Distances, FrechetDistance):
    """A Frechet distance of the simulation."""

    name: ClassVar[str] = "benchmarks.simulated_run:Frechet"


class Kernel(Distances, KernelDistance):
    """A kernel distance of the simulation."""

    name: ClassVar[str] = "benchmarks.simulated_run:Kernel"


EMBEDDING = f"{__name__}:{Embedding.__name__}"
DISTANCES = tuple(f"{__name__}:{kind.__name__}" for kind in (Frechet, Kernel))
"""Metrics of the embedding."""


def write_recipe(
    folder: Path, grid: Grid, features: Sequence[str], metrics: Sequence[str], **fields: object
) -> Path:
    """Write the recipe of a simulated run and its prompts; each prompt is a group of its own."""
    lines = [json.dumps({"text": f"a photo of thing number {n}"}) for n in range(grid.prompts)]
    source = folder / "prompts.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = {
        "card": "seedling",
        "prompts": {"source": str(source)},
        "seeds": {"start": 0, "count": grid.seeds},
        "tile": {"seeds": TILE, "prompts": TILE},
        "keep_images": "none",
        "features": list(features),
        "metrics": list(metrics),
        **fields,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path


def simulate(
    folder: Path,
    grid: Grid,
    features: Sequence[str],
    metrics: Sequence[str],
    *,
    processes: int = 1,
    **fields: object,
) -> Run:
    """Make a run in `folder/run` all of whose tiles are drawn and measured.

    Args:
        folder: An empty folder.
        grid: The size.
        features: Features, each of numbers or of vectors.
        metrics: Metrics of these features.
        processes: Processes that write at the same time.
        **fields: Further fields of the recipe.
    """
    allow_code(allowed=True)
    recipe = load_recipe(str(write_recipe(folder, grid, features, metrics, **fields)))
    run = _start(folder / "run", recipe)
    write_tiles(run, list(run.tiles()), processes=processes)
    return run


def write_tiles(run: Run, tiles: list[Tile], *, processes: int) -> None:
    """Write shards and receipts of some tiles of a simulated run."""
    parts = [tiles[i : i + TILES_AT_ONCE] for i in range(0, len(tiles), TILES_AT_ONCE)]
    write = partial(_write_part, run.root)
    if processes == 1:
        for part in parts:
            write(part)
        return
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        for _ in pool.map(write, parts):
            pass


def _start(path: Path, recipe: Recipe) -> Run:
    config = RunConfig(
        card="seedling", card_sha256="0" * 64, dtype="float32", height=64, width=64,
        scheduler="DDIMScheduler", num_inference_steps=20, guidance_scale=3.0, batch_size=32,
    )  # fmt: skip
    run = Run.start(path, config, recipe)
    run.grow(recipe.seeds.values(), load_prompts(recipe).prompts)
    return run


def _write_part(root: Path, tiles: list[Tile]) -> None:
    allow_code(allowed=True)
    writer = _Writer(Run.open(root))
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

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def features(self) -> list[tuple[ShardFolder, pa.Schema]]:
        """Folder and columns of each feature."""
        features = run_features(self.run, self.run.recipe.features)
        return [(feature_folder(self.run, each), each.table.arrow()) for each in features]

    def write(self, tile: Tile) -> None:
        """Write all shards of a tile."""
        keys = _cell_keys(tile)
        self._commit(self.run.images, tile, _table(IMAGES.arrow(), {**keys, **_states(tile)}))
        for folder, schema in self.features:
            values = {field.name: _values(tile, field) for field in list(schema)[len(keys) + 1 :]}
            self._commit(folder, tile, _table(schema, {**keys, **values}), tile.id)

    def _commit(
        self, folder: ShardFolder, tile: Tile, table: pa.Table, source_sha256: str = ""
    ) -> None:
        file = f"{tile.block}/{tile.id}-00000000.parquet"
        path = folder.store.path(f"{folder.prefix}/{file}")
        path.unlink(missing_ok=True)
        write_table(path, table, provenance={})
        receipt = Receipt(
            tile.id, tile.block, file, table.num_rows, path.stat().st_size, tile.id,
            self.run.run_id, footer_sha256(path), source_sha256=source_sha256,
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
