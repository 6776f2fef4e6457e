"""Read the arrays of `analysis.cells.cells` from the shards of a run, one shard at a time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.extraction.extract import feature_folder, run_feature
from analysis.extraction.rows import NOT_APPLICABLE
from analysis.features.base import Feature
from analysis.metrics.base import FAILED_CELL
from analysis.statistics.arrays import Array, Flags, Indices
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.schema import STATUS_OK

CELL = FAILED_CELL.removesuffix(".failed")
"""Used in place of a feature's name for the status of the cells themselves."""


class CellReader:
    """Fills arrays (S, P, ...) from all shards that have a receipt.

    In memory, the numbers of a prompt lie together, so the arrays of some consecutive prompts are
    views.

    One whole shard is in memory at a time. Its features are a hundredth of the size of its images,
    which were all in memory when they were drawn. Shards without a cell of these seeds and prompts
    are not opened.

    Args:
        run: The run.
        seeds: The S seeds, ascending.
        prompts: The P prompts.

    Attributes:
        columns: See `analysis.cells.cells.Cells`, also for `missing`, `failed` and
            `not_applicable`.
    """

    def __init__(self, run: Run, seeds: tuple[int, ...], prompts: tuple[Prompt, ...]) -> None:
        self.run, self.seeds, self.prompts = run, seeds, prompts
        self.shape = (len(seeds), len(prompts))
        self.seed_set = pa.array(seeds, type=pa.int64())
        self.prompt_set = pa.array([prompt.id for prompt in prompts], type=pa.string())
        self.columns: dict[str, Array] = {}
        self.missing: dict[str, Flags] = {}
        self.failed: dict[str, Flags] = {}
        self.not_applicable: dict[str, Flags] = {}

    def read(self, name: str, columns: Sequence[str]) -> None:
        """Read columns of a feature, possibly none, or the status of the cells."""
        self.missing[name] = np.ones(self.shape, dtype=bool)
        self.failed[name] = np.zeros(self.shape, dtype=bool)
        self.not_applicable[name] = np.zeros(self.shape[1], dtype=bool)
        if name == CELL:
            self._read_status(columns)
        else:
            self._read_feature(name, columns)

    def nbytes(self, features: Mapping[str, Sequence[str]]) -> int:
        """Compute the bytes that columns of features take; at least 1.

        Args:
            features: Feature -> its columns.
        """
        widths = [
            math.prod(tail)
            for name, columns in features.items()
            if name != CELL
            for tail in _tails(name, run_feature(self.run, name), columns).values()
        ]
        status = np.dtype(np.float64).itemsize * len(features.get(CELL, ()))
        per_cell = np.dtype(np.float32).itemsize * sum(widths) + status
        return max(1, math.prod(self.shape) * per_cell)

    def _read_status(self, columns: Sequence[str]) -> None:
        if not {"failed"}.issuperset(columns):
            raise RunError(f"cells have no column {columns}; known: failed")
        failed = self.columns[FAILED_CELL] = np.zeros(self.shape[::-1]).T
        for tile in self._tiles():
            receipt = self.run.images.receipt(tile.id, tile.block)
            if receipt is not None:
                rows = self.run.images.read(receipt, ["prompt_id", "seed", "status"])
                at, keep = self._indices(rows)
                failed[at] = np.array(rows["status"].to_pylist())[keep] != STATUS_OK
                self.missing[CELL][at] = False

    def _read_feature(self, name: str, columns: Sequence[str]) -> None:
        feature = run_feature(self.run, name)
        for column, tail in _tails(name, feature, columns).items():
            values = np.zeros((len(self.prompts), len(self.seeds), *tail), np.float32)
            self.columns[f"{name}.{column}"] = values.swapaxes(0, 1)
        folder = feature_folder(self.run, feature)
        for tile in self._tiles():
            source = self.run.images.receipt(tile.id, tile.block)
            receipt = folder.receipt(tile.id, tile.block)
            if source and receipt and receipt.source_sha256 == source.content_sha256:
                rows = folder.read(receipt, ["prompt_id", "seed", "null_reason", *columns])
                self._fill(name, columns, rows)

    def _tiles(self) -> Iterator[Any]:
        """Iterate over the tiles that hold any of the cells."""
        prompts, seeds = {prompt.id for prompt in self.prompts}, set(self.seeds)
        return (
            tile
            for tile in self.run.tiles()
            if not (prompts.isdisjoint(tile.prompt_ids) or seeds.isdisjoint(tile.seeds))
        )

    def _indices(self, rows: pa.Table) -> tuple[tuple[Indices, Indices], Flags]:
        """Find the seed and prompt index of each wanted row, and which rows are wanted."""
        s = pc.index_in(rows["seed"], value_set=self.seed_set).fill_null(-1).to_numpy()
        p = pc.index_in(rows["prompt_id"], value_set=self.prompt_set).fill_null(-1).to_numpy()
        keep = (s >= 0) & (p >= 0)
        return (s[keep], p[keep]), keep

    def _fill(self, name: str, columns: Sequence[str], rows: pa.Table) -> None:
        at, keep = self._indices(rows)
        rows = rows.filter(pa.array(keep))
        reasons = rows["null_reason"]
        null = reasons.is_valid().to_numpy()
        refused = pc.starts_with(reasons, NOT_APPLICABLE).fill_null(fill_value=False).to_numpy()
        self.missing[name][at] = False
        self.failed[name][at] = null & ~refused
        self.not_applicable[name][at[1][refused]] = True
        good = (at[0][~null], at[1][~null])
        for column in columns:
            values = rows[column].filter(pa.array(~null)).combine_chunks()
            if pa.types.is_fixed_size_list(values.type):
                width = values.type.list_size
                self.columns[f"{name}.{column}"][good] = (
                    pc.list_flatten(values).to_numpy(zero_copy_only=False).reshape(-1, width)
                )
            else:
                self.columns[f"{name}.{column}"][good] = values.to_numpy(zero_copy_only=False)


def by_feature(needs: Sequence[str]) -> dict[str, list[str]]:
    """Group columns by feature, without duplicates.

    Example:
        >>> by_feature(["layout.x", "gram.style", "layout.y"])
        {'layout': ['x', 'y'], 'gram': ['style']}
    """
    features: dict[str, list[str]] = {}
    for need in dict.fromkeys(needs):
        name, _, column = need.rpartition(".")
        features.setdefault(name, []).append(column)
    return features


def _tails(name: str, feature: Feature, columns: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of a cell's value in each column of a feature with this name."""
    types = {column.name: column.type for column in feature.columns}
    unknown = [column for column in columns if column not in types]
    if unknown:
        raise RunError(f"feature {name} has no column {unknown[0]!r}; known: {', '.join(types)}")
    listed = {column: pa.types.is_fixed_size_list(types[column]) for column in columns}
    return {column: (types[column].list_size,) if listed[column] else () for column in columns}
