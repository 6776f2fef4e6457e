"""The features of a run as arrays (seeds, prompts): what metrics and studies compute from.

Only receipts say what is there. Every seed stands on the same prompts: where a cell has no
value its prompt goes for all seeds, as long as that costs little; otherwise the set is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.extract import feature_folder, run_feature
from analysis.feature_rows import NOT_APPLICABLE
from analysis.features.base import Feature
from analysis.metrics.base import FAILED_CELL
from pipeline.errors import RunError
from pipeline.prompt_sets import Prompt
from pipeline.runs import Run
from pipeline.schema import STATUS_OK

Array = NDArray[Any]

MAX_LOST = 0.05
"""Share of a set's prompts that failed cells may cost before the set is refused."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Columns of some cells: every seed on the same prompts.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts, in the order of their ids.
        columns: "feature.column" -> shape (S, P, ...).
        dropped: Ids of the prompts that went because a cell of theirs has no value.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    columns: Mapping[str, Array]
    dropped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Images per seed."""
        return len(self.prompts)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each prompt, shape (P,)."""
        return np.array([prompt.group for prompt in self.prompts], dtype=np.str_)

    def only(self, needs: Sequence[str]) -> dict[str, Array]:
        """Some of the columns."""
        return {need: self.columns[need] for need in needs}


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of some prompt sets as they are on disk, gaps and failures included.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts of the sets, in the order of their ids.
        columns: "feature.column" -> shape (S, P, ...); 0 where there is no value.
        missing: Feature -> bool (S, P): not drawn, or not measured yet.
        failed: Feature -> bool (S, P): measured, without a value.
        outside: Feature -> bool (P,): prompts to which it does not apply.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    columns: Mapping[str, Array]
    missing: Mapping[str, NDArray[np.bool_]]
    failed: Mapping[str, NDArray[np.bool_]]
    outside: Mapping[str, NDArray[np.bool_]]

    def sample(self, needs: Sequence[str], *, n: int | None = None) -> Sample:
        """The cells that a metric computes from.

        Args:
            needs: Columns, each "feature.column".
            n: Use the first so many prompts, in the order of their ids; all if None.

        Raises:
            RunError: If seeds would stand on different prompts (cells are missing: the
                message names the seeds), if failures cost 5 % of the prompts or more (both
                numbers are given), or if there are fewer than `n` prompts.
        """
        names = list(dict.fromkeys(need.rpartition(".")[0] for need in needs))
        inside = self.inside(needs)
        self._refuse_missing(names, inside)
        lost = np.any([self.failed[name] for name in names], axis=(0, 1)) & inside
        self._refuse_lost(int(lost.sum()), int(inside.sum()))
        places = np.flatnonzero(inside & ~lost)
        if n is not None and n > len(places):
            raise RunError(f"{n} prompts were asked for; {len(places)} of the set can be used")
        places = places[:n]
        return Sample(
            self.seeds,
            tuple(self.prompts[place] for place in places),
            {need: self.columns[need][:, places] for need in needs},
            tuple(self.prompts[place].id for place in np.flatnonzero(lost)),
        )

    def inside(self, needs: Sequence[str]) -> NDArray[np.bool_]:
        """The prompts to which the features of all columns apply, bool (P,)."""
        names = dict.fromkeys(need.rpartition(".")[0] for need in needs)
        return np.asarray(~np.any([self.outside[name] for name in names], axis=0))

    def _refuse_missing(self, names: Sequence[str], inside: NDArray[np.bool_]) -> None:
        gaps = (np.any([self.missing[name] for name in names], axis=0) & inside).sum(axis=1)
        if not gaps.any():
            return
        short = [f"{seed} ({gap})" for seed, gap in zip(self.seeds, gaps, strict=True) if gap]
        more = f" and {len(short) - 8} more" if len(short) > 8 else ""
        raise RunError(
            f"unequal n: of {int(inside.sum())} prompts, cells are missing for "
            f"{len(short)} of {len(self.seeds)} seeds, seed (missing): {', '.join(short[:8])}"
            f"{more}; draw and measure the rest first: the same `goldenseed run` again"
        )

    @staticmethod
    def _refuse_lost(lost: int, total: int) -> None:
        if total == 0:
            raise RunError("no prompt of the set can be used; add prompts to the run")
        if lost and lost >= MAX_LOST * total:
            raise RunError(
                f"failed cells would cost {lost} of {total} prompts of the set "
                f"({lost / total:.1%}; under {MAX_LOST:.0%} they are dropped for all seeds): "
                f"see the reasons in the shards, and the metric failure_rate"
            )


def read_cells(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """Read columns of a run's cells, following receipts only.

    Args:
        run: The run.
        needs: Columns, each "feature.column", or "cell.failed".
        sets: Prompt sets to read.

    Returns:
        The cells of all seeds and of all prompts of the sets. The order of rows and how the
        grid was cut do not matter.

    Raises:
        RunError: If a feature has no such column.
        ShardError: If a shard is damaged.
    """
    prompts = sorted((p for p in run.prompts.values() if p.set in sets), key=lambda p: p.id)
    reader = _Reader(run, tuple(sorted(run.seeds)), tuple(prompts))
    by_feature: dict[str, list[str]] = {}
    for need in needs:
        name, _, column = need.rpartition(".")
        by_feature.setdefault(name, []).append(column)
    for name, columns in by_feature.items():
        reader.read(name, list(dict.fromkeys(columns)))
    return Cells(
        reader.seeds, reader.prompts, reader.columns, reader.missing, reader.failed, reader.outside
    )


class _Reader:
    """Fills arrays (S, P, ...) from shards."""

    def __init__(self, run: Run, seeds: tuple[int, ...], prompts: tuple[Prompt, ...]) -> None:
        self.run, self.seeds, self.prompts = run, seeds, prompts
        self.shape = (len(seeds), len(prompts))
        self.seed_set = pa.array(seeds, type=pa.int64())
        self.prompt_set = pa.array([prompt.id for prompt in prompts], type=pa.string())
        self.columns: dict[str, Array] = {}
        self.missing: dict[str, NDArray[np.bool_]] = {}
        self.failed: dict[str, NDArray[np.bool_]] = {}
        self.outside: dict[str, NDArray[np.bool_]] = {}

    def read(self, name: str, columns: Sequence[str]) -> None:
        """Read columns of one feature, or the cells' own status."""
        self.missing[name] = np.ones(self.shape, dtype=bool)
        self.failed[name] = np.zeros(self.shape, dtype=bool)
        self.outside[name] = np.zeros(self.shape[1], dtype=bool)
        if f"{name}." == FAILED_CELL.removesuffix("failed"):
            self._read_status(columns)
        else:
            self._read_feature(name, columns)

    def _read_status(self, columns: Sequence[str]) -> None:
        if list(columns) != ["failed"]:
            raise RunError(f"cells have no column {columns}; known: failed")
        failed = self.columns[FAILED_CELL] = np.zeros(self.shape)
        for tile in self._tiles():
            receipt = self.run.images.receipt(tile.id, tile.block)
            if receipt is not None:
                rows = self.run.images.read(receipt, ["prompt_id", "seed", "status"])
                at, keep = self._places(rows)
                failed[at] = np.array(rows["status"].to_pylist())[keep] != STATUS_OK
                self.missing["cell"][at] = False

    def _read_feature(self, name: str, columns: Sequence[str]) -> None:
        feature = run_feature(self.run, name)
        self._allocate(name, feature, columns)
        folder = feature_folder(self.run, feature)
        for tile in self._tiles():
            source = self.run.images.receipt(tile.id, tile.block)
            receipt = folder.receipt(tile.id, tile.block)
            if source and receipt and receipt.source_sha256 == source.content_sha256:
                rows = folder.read(receipt, ["prompt_id", "seed", "null_reason", *columns])
                self._fill(name, columns, rows)

    def _tiles(self) -> Iterator[Any]:
        """The tiles that hold a prompt of the sets."""
        wanted = {prompt.id for prompt in self.prompts}
        return (tile for tile in self.run.tiles() if not wanted.isdisjoint(tile.prompt_ids))

    def _allocate(self, feature_name: str, feature: Feature, columns: Sequence[str]) -> None:
        types = {column.name: column.type for column in feature.columns}
        for name in columns:
            if name not in types:
                known = ", ".join(types)
                raise RunError(f"feature {feature_name} has no column {name!r}; known: {known}")
            listed = pa.types.is_fixed_size_list(types[name])
            tail = (types[name].list_size,) if listed else ()
            self.columns[f"{feature_name}.{name}"] = np.zeros((*self.shape, *tail), np.float32)

    def _places(self, rows: pa.Table) -> tuple[tuple[Array, Array], NDArray[np.bool_]]:
        """Where the rows belong, and which rows belong to the sets at all."""
        s = pc.index_in(rows["seed"], value_set=self.seed_set).fill_null(-1).to_numpy()
        p = pc.index_in(rows["prompt_id"], value_set=self.prompt_set).fill_null(-1).to_numpy()
        keep = (s >= 0) & (p >= 0)
        return (s[keep], p[keep]), keep

    def _fill(self, name: str, columns: Sequence[str], rows: pa.Table) -> None:
        at, keep = self._places(rows)
        rows = rows.filter(pa.array(keep))
        reasons = rows["null_reason"].to_pylist()
        null = np.array([reason is not None for reason in reasons], dtype=bool)
        outside = np.array([str(reason).startswith(NOT_APPLICABLE) for reason in reasons], bool)
        self.missing[name][at] = False
        self.failed[name][at] = null & ~outside
        self.outside[name][at[1][outside]] = True
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
