"""Read the features of a run as arrays (seeds, prompts), which metrics and studies compute from.

Only cells with a receipt count. All seeds have the same prompts: if a cell has no value, its
prompt is dropped for all seeds. If that would cost too many prompts, the set is refused.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells.reader import CellReader
from analysis.statistics.arrays import Array, Flags, Indices
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

MAX_LOST = 0.05
"""Share of a set's prompts that failed cells may cost before the set is refused."""
BLOCK_BYTES = 2**30
"""Bytes of features that `seed_blocks` holds at once. Inception's features of 10,000 images take
82 MB per seed, so a block has 13 seeds; the distance of one seed takes nearly as much again."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Columns of cells, in which all seeds have the same prompts.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts, in the order of their ids.
        columns: "feature.column" -> shape (S, P, ...).
        dropped: Ids of the prompts that were dropped because one of their cells has no value.
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
        """Return some of the columns."""
        return {need: self.columns[need] for need in needs}


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of some prompt sets as they are on disk, including gaps and failures.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts of the sets, in the order of their ids.
        columns: "feature.column" -> shape (S, P, ...); 0 where there is no value.
        missing: Feature -> bool (S, P): not drawn, or not measured yet.
        failed: Feature -> bool (S, P): measured, but without a value.
        outside: Feature -> bool (P,): prompts to which the feature does not apply.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    columns: Mapping[str, Array]
    missing: Mapping[str, Flags]
    failed: Mapping[str, Flags]
    outside: Mapping[str, Flags]

    def sample(self, needs: Sequence[str], *, n: int | None = None) -> Sample:
        """Select the cells that a metric computes from.

        Args:
            needs: Columns, each "feature.column".
            n: Number of prompts to use, in the order of their ids; all if None.

        Raises:
            RunError: As `prompt_indices`.
        """
        kept, dropped = self.prompt_indices(needs, n=n)
        return Sample(
            self.seeds,
            tuple(self.prompts[i] for i in kept),
            {need: self.columns[need][:, kept] for need in needs},
            tuple(self.prompts[i].id for i in dropped),
        )

    def prompt_indices(
        self, needs: Sequence[str], *, n: int | None = None
    ) -> tuple[Indices, Indices]:
        """Find the prompts that all seeds have, and those dropped because a cell has no value.

        Args:
            needs: Columns, each "feature.column".
            n: Number of prompts to use, in the order of their ids; all if None.

        Raises:
            RunError: If seeds would have different prompts, because cells are missing (the
                message names the seeds); if failures cost 5 % of the prompts or more (the
                message gives both numbers); or if there are fewer than `n` prompts.
        """
        names = list(_features(needs))
        inside = self.inside(needs)
        self._refuse_missing(names, inside)
        lost = np.any([self.failed[name] for name in names], axis=(0, 1)) & inside
        self._refuse_lost(int(lost.sum()), int(inside.sum()))
        kept = np.flatnonzero(inside & ~lost)
        if n is not None and n > len(kept):
            raise RunError(f"{n} prompts were asked for; {len(kept)} of the set can be used")
        return kept[:n], np.flatnonzero(lost)

    def inside(self, needs: Sequence[str]) -> Flags:
        """Tell to which prompts the features of all columns apply, bool (P,)."""
        names = _features(needs)
        return np.asarray(~np.any([self.outside[name] for name in names], axis=0))

    def _refuse_missing(self, names: Sequence[str], inside: Flags) -> None:
        gaps = (np.any([self.missing[name] for name in names], axis=0) & inside).sum(axis=1)
        if not gaps.any():
            return
        seeds = [f"{seed} ({gap})" for seed, gap in zip(self.seeds, gaps, strict=True) if gap]
        more = f" and {len(seeds) - 8} more" if len(seeds) > 8 else ""
        raise RunError(
            f"unequal n: of {int(inside.sum())} prompts, cells are missing for "
            f"{len(seeds)} of {len(self.seeds)} seeds, seed (missing): {', '.join(seeds[:8])}"
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
        The cells of all seeds and of all prompts of the sets, whatever the order of rows and the
        tiles of the grid.

    Raises:
        RunError: If a feature has no such column, or the columns exceed the machine's memory.
        ShardError: If a shard is damaged.
    """
    reader, features = _reader(run, sets), _features(needs)
    _refuse_large(reader.nbytes(features))
    return _read(reader, features)


def read_status(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """Read the same cells as `read_cells` without their columns: which exist, and which failed.

    Args:
        run: The run.
        needs: Columns, each "feature.column"; the cells are those of their features.
        sets: Prompt sets to read.

    Raises:
        ShardError: If a shard is damaged.
    """
    return _read(_reader(run, sets), dict.fromkeys(_features(needs), ()))


def seed_blocks(
    run: Run, needs: Sequence[str], *, sets: Sequence[int], n: int | None = None
) -> Iterator[Sample]:
    """Yield the sample of `read_cells(...).sample(needs, n=n)` for a block of seeds at a time.

    At most `BLOCK_BYTES` of columns are in memory, or those of one seed, for any number of seeds.
    The prompts are chosen first, by the cells of all seeds.

    Args:
        run: The run.
        needs: Columns, each "feature.column".
        sets: Prompt sets to read.
        n: Number of prompts to use, in the order of their ids; all if None.

    Yields:
        Samples with seeds in ascending order, all with the same prompts.

    Raises:
        RunError: As `read_cells` and `Cells.sample`.
        ShardError: If a shard is damaged.
    """
    status = read_status(run, needs, sets=sets)
    kept, lost = status.prompt_indices(needs, n=n)
    prompts = tuple(status.prompts[i] for i in kept)
    dropped = tuple(status.prompts[i].id for i in lost)
    seed_bytes = CellReader(run, status.seeds[:1], prompts).nbytes(_features(needs))
    step = max(1, BLOCK_BYTES // seed_bytes)
    for start in range(0, len(status.seeds), step):
        seeds = status.seeds[start : start + step]
        yield _block(CellReader(run, seeds, prompts), needs, dropped)


def _block(reader: CellReader, needs: Sequence[str], dropped: tuple[str, ...]) -> Sample:
    """Read all cells of a reader.

    It is a function of its own so that a block is freed before the next is read.
    """
    cells = _read(reader, _features(needs))
    cells.prompt_indices(needs)  # refuses cells that disappeared since the status was read
    return Sample(cells.seeds, cells.prompts, cells.columns, dropped)


def _features(needs: Sequence[str]) -> dict[str, list[str]]:
    """Group columns by feature, each column once."""
    features: dict[str, list[str]] = {}
    for need in dict.fromkeys(needs):
        name, _, column = need.rpartition(".")
        features.setdefault(name, []).append(column)
    return features


def _memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _refuse_large(needed: int) -> None:
    if needed > _memory():
        raise RunError(
            f"the features are needed all at once and take {needed / 2**30:,.1f} GiB; this machine "
            f"has {_memory() / 2**30:,.1f}: use fewer prompts (`metric_prompts` of the recipe), a "
            f"metric with one number per image, or a larger machine; `goldenseed measure` reads "
            f"distances for a block of seeds at a time"
        )


def _reader(run: Run, sets: Sequence[int]) -> CellReader:
    prompts = sorted((p for p in run.prompts.values() if p.set in sets), key=lambda p: p.id)
    return CellReader(run, tuple(sorted(run.seeds)), tuple(prompts))


def _read(reader: CellReader, features: Mapping[str, Sequence[str]]) -> Cells:
    for name, columns in features.items():
        reader.read(name, columns)
    return Cells(
        reader.seeds, reader.prompts, reader.columns, reader.missing, reader.failed, reader.outside
    )
