"""Read the features of a run as arrays (seeds, prompts), which metrics and studies compute from.

A cell without a receipt counts as missing. All seeds have the same prompts: if a cell has no value,
its prompt is dropped for all seeds. If too many prompts would be dropped, an error is raised.
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

MAX_DROPPED = 0.05
"""A set is refused if this share of its prompts, or more, would be dropped for failed cells."""
BLOCK_BYTES = 2**30
"""Bytes of features that `seed_blocks` holds at once. Inception's features of 10,000 images take
82 MB per seed, so a block has 13 seeds. Computing the distance of one seed, in float64, takes
nearly 1 GiB more."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Columns of cells; all seeds have the same prompts.

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
        """Number of images per seed."""
        return len(self.prompts)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each prompt, shape (P,)."""
        return np.array([prompt.group for prompt in self.prompts], dtype=np.str_)

    def only(self, needs: Sequence[str]) -> dict[str, Array]:
        """Return the columns that a metric needs."""
        return {need: self.columns[need] for need in needs}


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of some prompt sets, including missing and failed cells.

    Attributes:
        seeds: The S seeds, ascending.
        prompts: The P prompts of the sets, in the order of their ids.
        columns: "feature.column" -> shape (S, P, ...); 0 where there is no value.
        missing: Feature -> bool (S, P): cells that are not drawn or not measured yet.
        failed: Feature -> bool (S, P): cells that were measured but have no value.
        not_applicable: Feature -> bool (P,): prompts to which the feature does not apply.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    columns: Mapping[str, Array]
    missing: Mapping[str, Flags]
    failed: Mapping[str, Flags]
    not_applicable: Mapping[str, Flags]

    def sample(self, needs: Sequence[str], *, n: int | None = None) -> Sample:
        """Select the cells that a metric computes from.

        Args:
            needs: Columns, each "feature.column".
            n: Number of prompts to use, in the order of their ids; all if None.

        Raises:
            RunError: See `prompt_indices`.
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
        """Find the prompts that all seeds have, and the prompts that are dropped for failed cells.

        Args:
            needs: Columns, each "feature.column".
            n: Number of prompts to use, in the order of their ids; all if None.

        Returns:
            Indices of the prompts to use, and of the prompts that are dropped.

        Raises:
            RunError: If cells are missing; if at least 5 % of the prompts would be dropped for
                failed cells; or if there are fewer than `n` prompts to use.
        """
        names = list(_features(needs))
        applicable = self.applicable(needs)
        self._refuse_missing(names, applicable)
        dropped = np.any([self.failed[name] for name in names], axis=(0, 1)) & applicable
        self._refuse_dropped(int(dropped.sum()), int(applicable.sum()))
        kept = np.flatnonzero(applicable & ~dropped)
        if n is not None and n > len(kept):
            raise RunError(f"{n} prompts are wanted, but the set has only {len(kept)} to use")
        return kept[:n], np.flatnonzero(dropped)

    def applicable(self, needs: Sequence[str]) -> Flags:
        """Find the prompts to which the features of all columns apply, bool (P,)."""
        names = _features(needs)
        return np.asarray(~np.any([self.not_applicable[name] for name in names], axis=0))

    def _refuse_missing(self, names: Sequence[str], applicable: Flags) -> None:
        missing = np.any([self.missing[name] for name in names], axis=0) & applicable
        counts = missing.sum(axis=1)
        if not counts.any():
            return
        seeds = [f"{seed} ({n})" for seed, n in zip(self.seeds, counts, strict=True) if n]
        more = f" and {len(seeds) - 8} more" if len(seeds) > 8 else ""
        raise RunError(
            f"unequal n: {len(seeds)} of {len(self.seeds)} seeds lack some of their "
            f"{int(applicable.sum())} cells; seeds, with the number of missing cells: "
            f"{', '.join(seeds[:8])}{more}; run the same `goldenseed run` again to draw and "
            f"measure the missing cells"
        )

    @staticmethod
    def _refuse_dropped(dropped: int, total: int) -> None:
        if total == 0:
            raise RunError("no prompt of the set can be used; add prompts to the run")
        if dropped and dropped >= MAX_DROPPED * total:
            raise RunError(
                f"{dropped} of {total} prompts of the set ({dropped / total:.1%}) would be dropped "
                f"for failed cells; less than {MAX_DROPPED:.0%} is allowed: see the column "
                f"null_reason of the shards, and the metric failure_rate"
            )


def read_cells(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """Read columns of a run's cells from all shards that have a receipt.

    Args:
        run: The run.
        needs: Columns, each "feature.column", or "cell.failed".
        sets: Prompt sets to read.

    Returns:
        The cells of all seeds and of all prompts of the sets. They do not depend on the tiles of
        the grid or on the order of rows in shards.

    Raises:
        RunError: If a feature has no such column, or the columns exceed the machine's memory.
        ShardError: If a shard is damaged.
    """
    reader, features = _reader(run, sets), _features(needs)
    _refuse_large(reader.nbytes(features))
    return _read(reader, features)


def read_status(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """Read which cells are missing, failed or not applicable, without reading their columns.

    Args:
        run: The run.
        needs: Columns, each "feature.column"; only their features matter.
        sets: Prompt sets to read.

    Raises:
        ShardError: If a shard is damaged.
    """
    return _read(_reader(run, sets), dict.fromkeys(_features(needs), ()))


def seed_blocks(
    run: Run, needs: Sequence[str], *, sets: Sequence[int], n: int | None = None
) -> Iterator[Sample]:
    """Yield the rows of `read_cells(...).sample(needs, n=n)` in blocks of seeds.

    A block has one seed, or as many seeds as fit into `BLOCK_BYTES`, so a run with many seeds needs
    no more memory than a small run. All blocks have the prompts that all seeds have.

    Args:
        run: The run.
        needs: Columns, each "feature.column".
        sets: Prompt sets to read.
        n: Number of prompts to use, in the order of their ids; all if None.

    Yields:
        Samples with seeds in ascending order, all with the same prompts.

    Raises:
        RunError: See `read_cells` and `Cells.sample`.
        ShardError: If a shard is damaged.
    """
    status = read_status(run, needs, sets=sets)
    kept, failed = status.prompt_indices(needs, n=n)
    prompts = tuple(status.prompts[i] for i in kept)
    dropped = tuple(status.prompts[i].id for i in failed)
    seed_bytes = CellReader(run, status.seeds[:1], prompts).nbytes(_features(needs))
    step = max(1, BLOCK_BYTES // seed_bytes)
    for start in range(0, len(status.seeds), step):
        seeds = status.seeds[start : start + step]
        yield _block(CellReader(run, seeds, prompts), needs, dropped)


def _block(reader: CellReader, needs: Sequence[str], dropped: tuple[str, ...]) -> Sample:
    """Read all cells of a reader.

    This is a separate function so that a block is freed before the next block is read.
    """
    cells = _read(reader, _features(needs))
    cells.prompt_indices(needs)  # raises if cells disappeared since the status was read
    return Sample(cells.seeds, cells.prompts, cells.columns, dropped)


def _features(needs: Sequence[str]) -> dict[str, list[str]]:
    """Group columns by feature, without duplicates."""
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
            f"the features of all seeds take {needed / 2**30:,.1f} GiB of memory, and this machine "
            f"has {_memory() / 2**30:,.1f} GiB: use fewer prompts (`metric_prompts` of the "
            f"recipe), a metric with one number per image, or a larger machine; `goldenseed "
            f"measure` needs less memory, because it computes distances for blocks of seeds"
        )


def _reader(run: Run, sets: Sequence[int]) -> CellReader:
    prompts = sorted((p for p in run.prompts.values() if p.set in sets), key=lambda p: p.id)
    return CellReader(run, tuple(sorted(run.seeds)), tuple(prompts))


def _read(reader: CellReader, features: Mapping[str, Sequence[str]]) -> Cells:
    for name, columns in features.items():
        reader.read(name, columns)
    return Cells(
        reader.seeds,
        reader.prompts,
        reader.columns,
        reader.missing,
        reader.failed,
        reader.not_applicable,
    )
