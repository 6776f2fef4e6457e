"""Make run folders without a model: a function of (prompt, seed) draws the images."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from analysis.extraction.extract import ExtractStage, missing_extractions
from analysis.features.base import Batch, Columns, Feature
from analysis.metrics.frechet import FrechetPerceptual
from analysis.metrics.kid import KidPerceptual
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard
from pipeline.storage.schema import IMAGES, STATUS_FAILED, STATUS_OK, Column, vector

Pixels = NDArray[np.uint8]
Draw = Callable[[Prompt, int], Pixels | None]
"""Function that returns the image of a cell, or None for a cell that failed."""

SIZE = 64


def config(**changes: object) -> RunConfig:
    fields: dict[str, object] = {
        "card": "seedling-mini",
        "card_sha256": "ab" * 32,
        "dtype": "float32",
        "height": SIZE,
        "width": SIZE,
        "scheduler": "DDIMScheduler",
        "num_inference_steps": 20,
        "guidance_scale": 3.0,
        "batch_size": 8,
    }
    return RunConfig(**{**fields, **changes})


def prompts(count: int) -> list[Prompt]:
    """Make prompts of 12 objects, so that groups hold several prompts."""
    return [
        Prompt(f"a number {i // 12} thing of kind {i % 12}", object=f"kind {i % 12}")
        for i in range(count)
    ]


def start(
    path: Path,
    *,
    seeds: Sequence[int] = range(8),
    n_prompts: int = 48,
    tile: tuple[int, int] = (4, 8),
    order: str = "seeds",
    intervention: str = "none",
    **recipe: object,
) -> Run:
    """Start a run with a grid and no shards."""
    fields = {
        "name": "synthetic",
        "card": "seedling-mini",
        "prompts": {"source": "seedling"},
        "seeds": {"start": 0, "count": 1},
        "tile": {"seeds": tile[0], "prompts": tile[1]},
        "order": order,
        **recipe,
    }
    run = Run.start(
        path, config(intervention={"name": intervention}), Recipe.model_validate(fields)
    )
    run.grow(seeds, prompts(n_prompts))
    return run


def noisy(prompt: Prompt, seed: int) -> Pixels:
    """A plain colour per prompt and seed with a little noise; nothing belongs to the seed."""
    rng = np.random.default_rng([int(prompt.id, 16), seed])
    colour = rng.integers(40, 216, size=3)
    return np.clip(colour + rng.integers(-20, 20, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)


def rows_of(run: Run, tile: Tile, draw: Draw, *, keep: bool) -> tuple[pa.Table, Pixels]:
    known = run.prompts
    images = np.zeros((len(tile.cells), SIZE, SIZE, 3), np.uint8)
    rows = []
    for place, (prompt_id, seed) in enumerate(tile.cells):
        prompt = known[prompt_id]
        pixels = draw(prompt, seed)
        if pixels is not None:
            images[place] = pixels
        rows.append(_row(prompt, seed, pixels, keep=keep))
    return pa.Table.from_pylist(rows, schema=IMAGES.arrow()), images


def _row(prompt: Prompt, seed: int, pixels: Pixels | None, *, keep: bool) -> dict[str, object]:
    good = pixels is not None
    return {
        **{name: getattr(prompt, name) for name in ("text", "object", "modifier", "group", "set")},
        "prompt_id": prompt.id,
        "seed": seed,
        "image": {"bytes": png(pixels), "path": None} if good and keep else None,
        "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest() if good else None,
        "status": STATUS_OK if good else STATUS_FAILED,
        "reason": None if good else "planted",
        "constant": False,
        "truncated_tokens": 0,
        "micro_batch": 1,
    }


def png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def draw_all(
    run: Run, draw: Draw = noisy, *, keep: bool = True, shuffle: int | None = None
) -> list[DrawnShard]:
    """Commit each missing tile, with rows in a random order if `shuffle` seeds one."""
    shards = []
    for tile in run.missing():
        table, images = rows_of(run, tile, draw, keep=keep)
        if shuffle is not None:
            order = np.random.default_rng(shuffle).permutation(table.num_rows)
            table, images = table.take(order), images[order]
        receipt, _ = run.images.commit(
            tile.id, tile.block, table, run_id=run.run_id, provenance={"made": "by a test"}
        )
        rows = table.drop_columns(["image"])
        shards.append(DrawnShard(tile.id, tile.block, receipt.content_sha256, rows, images))
    return shards


def extract_all(run: Run, *features: str) -> ExtractStage:
    stage = ExtractStage(run.root, features)
    stage.setup()
    for task in missing_extractions(run, features):
        stage.run(task)
    return stage


def measured(path: Path, draw: Draw, *, seeds: Sequence[int], n_prompts: int) -> Run:
    """Make a finished run that is ranked by its colours."""
    run = start(path, seeds=seeds, n_prompts=n_prompts, ranking={"metric": COLOUR_KID})
    draw_all(run, draw)
    extract_all(run, COLOUR)
    return run


def as_json(value: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(value)
    return found


class Colour(Feature):
    """A user's own feature: the mean colour, an embedding of 3 numbers; not for kind 11."""

    name: ClassVar[str] = "colour"
    code_version: ClassVar[int] = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("mean", vector(3), "Mean R, G, B.", "0..1"),)

    def applies(self, prompt: Mapping[str, object]) -> str:
        return "kind 11 has no colour" if prompt["object"] == "kind 11" else ""

    def extract(self, batch: Batch) -> Columns:
        return {"mean": (batch.images / 255.0).mean(axis=(1, 2)).astype(np.float32)}


class ColourKid(KidPerceptual):
    """A user's own metric: kernel distance of the mean colours from middle grey."""

    name: ClassVar[str] = "kid_colour"
    needs: ClassVar[tuple[str, ...]] = ("tests.analysis.synthetic:Colour.mean",)

    @cached_property
    def reference(self) -> NDArray[np.float64]:
        return np.random.default_rng(0).normal(0.5, 0.05, size=(64, 3))


class ColourFrechet(FrechetPerceptual):
    """A user's own metric: Frechet distance of the mean colours from middle grey."""

    name: ClassVar[str] = "frechet_colour"
    needs: ClassVar[tuple[str, ...]] = ("tests.analysis.synthetic:Colour.mean",)

    @cached_property
    def reference(self) -> NDArray[np.float64]:
        return np.random.default_rng(0).normal(0.5, 0.05, size=(64, 3))


COLOUR = "tests.analysis.synthetic:Colour"
COLOUR_KID = "tests.analysis.synthetic:ColourKid"
COLOUR_FRECHET = "tests.analysis.synthetic:ColourFrechet"
