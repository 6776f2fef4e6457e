"""Make a run folder of any size without images: shards, receipts and features.

Everything that a reader of results opens is real: Parquet files with checksums, a receipt for each,
and features under their own identity. Only the pixels are missing, as in a run that keeps no
images, and the numbers are drawn: an effect of the seed, one of the prompt, and noise. Nothing is
flushed to the disk, which takes most of the time of a real commit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.features.base import Batch, Columns, Feature
from analysis.metrics.base import MeanMetric, ReferenceMetric
from analysis.metrics.frechet import FrechetDistance
from analysis.metrics.kid import KernelDistance
from analysis.statistics.arrays import Floats
from benchmarks.simulated_shards import write_tiles
from goldenseed.steps.begin import load_prompts
from pipeline.errors import RunError
from pipeline.registry import allow_code
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe, load_recipe
from pipeline.storage.schema import Column, vector

SCALARS = ("appearance", "preference_seedling")
"""Features of one number an image."""
TILE = 32
MEAN = 0.7
"""Mean of each number of an embedding, of images of no seed."""


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
        """Refuse to measure.

        Raises:
            RunError: Always: the numbers of a simulated run are drawn, not measured.
        """
        raise RunError("a simulated run has no images to measure")


class Distances(ReferenceMetric):
    """What the distances of the simulation share: their feature, and a reference drawn like it."""

    needs: ClassVar[tuple[str, ...]] = ("benchmarks.simulated_run:Embedding.embedding",)
    images: ClassVar[int] = 10_000

    @cached_property
    def reference(self) -> Floats:
        """Vectors of images of no seed, shape (10000, d)."""
        width = Embedding.width
        return np.random.default_rng(0).standard_normal((self.images, width)) + MEAN


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
    folder: Path,
    grid: Grid,
    features: Sequence[str],
    metrics: Sequence[str],
    fields: Mapping[str, object],
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
    fields: Mapping[str, object] | None = None,
    processes: int = 1,
    empty: bool = False,
) -> Run:
    """Make a run in `folder/run` all of whose tiles are drawn and measured.

    Args:
        folder: An empty folder.
        grid: The size.
        features: Features, each of numbers or of vectors.
        metrics: Metrics of these features.
        fields: Further fields of the recipe.
        processes: Processes that write at the same time.
        empty: Write holes of the right size in place of the data, for what reads receipts alone.
    """
    allow_code(allowed=True)
    recipe = load_recipe(str(write_recipe(folder, grid, features, metrics, fields or {})))
    run = _start(folder / "run", recipe)
    write_tiles(run, list(run.tiles()), processes=processes, empty=empty)
    return run


def _start(path: Path, recipe: Recipe) -> Run:
    config = RunConfig(
        card="seedling", card_sha256="0" * 64, dtype="float32", height=64, width=64,
        scheduler="DDIMScheduler", num_inference_steps=20, guidance_scale=3.0, batch_size=32,
    )  # fmt: skip
    run = Run.start(path, config, recipe)
    run.grow(recipe.seeds.values(), load_prompts(recipe).prompts)
    return run
