"""Runs whose features are given numbers: planted truths at sizes that no model would draw."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from analysis.extraction.extract import feature_folder, run_feature
from analysis.features.base import Batch, Columns, Feature
from analysis.metrics.base import MeanMetric
from analysis.statistics.arrays import Array
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.storage.schema import Column
from tests.analysis import synthetic

Values = Mapping[str, Mapping[str, Array]]
"""Feature -> column -> shape (S, P, ...), prompts in the order of `ordered_prompts`."""

SCORE = "tests.analysis.studies.planted_run:Score"
LAYOUT = "tests.analysis.studies.planted_run:Layout"
GAP = "tests.analysis.studies.planted_run:Gap"
SCORES = "tests.analysis.studies.planted_run:Scores"


class Scores(Feature):
    """A planted score."""

    name: ClassVar[str] = "scores"
    code_version: ClassVar[int] = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        score = Column("score", pa.float32(), "A planted score.")
        return (score, Column("gap", pa.float32(), "A planted distance."))

    def extract(self, batch: Batch) -> Columns:
        raise AssertionError(f"planted, never measured: {len(batch)}")


class Layout(Scores):
    """A planted layout."""

    name: ClassVar[str] = "layout"

    @property
    def columns(self) -> tuple[Column, ...]:
        rest = ("x", "y", "size", "depth")
        numbers = (Column(n, pa.float32(), "Planted.", may_be_nan=True) for n in rest)
        return (Column("found", pa.float32(), "Planted."), *numbers)


class Score(MeanMetric):
    """A planted preference."""

    name: ClassVar[str] = "score"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = (f"{SCORES}.score",)


class Gap(Score):
    """A planted distance, not known as a mean."""

    name: ClassVar[str] = "gap"
    higher_is_better: ClassVar[bool | None] = False
    per_image_mean: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = (f"{SCORES}.gap",)


def planted_run(
    path: Path,
    make: Callable[[Sequence[Prompt], int], Values],
    *,
    seeds: int = 32,
    prompts: int = 120,
    objects: int = 12,
    tile: tuple[int, int] = (16, 40),
    more: Sequence[Prompt] = (),
    **recipe: object,
) -> Run:
    """A run without pictures whose features hold what `make(run, seeds, prompts)` gives.

    Its prompts are `prompts` planted ones and those of `more`.
    """
    run = synthetic.start(path, seeds=range(seeds), n_prompts=0, tile=tile, **recipe)
    run.grow(range(seeds), [*(planted_prompt(i, objects) for i in range(prompts)), *more])
    known = ordered_prompts(run)
    for name, columns in make(known, seeds).items():
        write_feature(run, name, columns)
    return run


def planted_prompt(number: int, objects: int) -> Prompt:
    name = f"kind {number % objects}"
    return Prompt(f"{name}, manner {number // objects}", object=name)


def ordered_prompts(run: Run) -> list[Prompt]:
    return sorted(run.prompts.values(), key=lambda prompt: prompt.id)


def write_feature(run: Run, name: str, columns: Mapping[str, Array]) -> None:
    feature = run_feature(run, name)
    folder = feature_folder(run, feature)
    place = {prompt.id: i for i, prompt in enumerate(ordered_prompts(run))}
    for tile in run.tiles():
        source = commit_pictures(run, tile)
        at = ([seed for _, seed in tile.cells], [place[prompt] for prompt, _ in tile.cells])
        table = feature_table(feature, tile, {n: columns[n][at] for n in columns})
        folder.commit(
            tile.id,
            tile.block,
            table,
            run_id=run.run_id,
            source_sha256=source,
            provenance={"made": "by a test"},
        )


def commit_pictures(run: Run, tile: Tile) -> str:
    """An image shard that kept no picture; the hash of its content."""
    receipt = run.images.receipt(tile.id, tile.block)
    if receipt is None:
        table, _ = synthetic.rows_of(run, tile, _black, keep=False)
        receipt, _ = run.images.commit(
            tile.id, tile.block, table, run_id=run.run_id, provenance={"made": "by a test"}
        )
    return receipt.content_sha256


def _black(prompt: Prompt, seed: int) -> synthetic.Pixels:
    return np.zeros((synthetic.SIZE, synthetic.SIZE, 3), np.uint8)


def feature_table(feature: Feature, tile: Tile, values: Mapping[str, Array]) -> pa.Table:
    schema = feature.table.arrow()
    columns: dict[str, Any] = {
        "prompt_id": [prompt for prompt, _ in tile.cells],
        "seed": [seed for _, seed in tile.cells],
        "null_reason": pa.nulls(len(tile.cells), pa.string()),
    }
    for column in feature.columns:
        given = values.get(column.name)
        columns[column.name] = _arrow(given, column, len(tile.cells))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _arrow(values: Array | None, column: Column, rows: int) -> pa.Array:
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        flat = np.zeros((rows, width)) if values is None else values
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel().astype(np.float32)), width)
    return pa.array(np.zeros(rows) if values is None else values).cast(column.type)
