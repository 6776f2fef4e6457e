"""The features of a run as arrays (seeds, prompts): what metrics and studies compute from.

Only receipts say what is there. Every seed stands on the same prompts: where a cell has no
value its prompt goes for all seeds, as long as that costs little; otherwise the set is refused.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells.reader import CellReader
from analysis.statistics.arrays import Array, Indices
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

MAX_LOST = 0.05
"""Share of a set's prompts that failed cells may cost before the set is refused."""
BLOCK_BYTES = 2**30
"""Features that `seed_blocks` holds at once. Inception's of 10,000 images take 82 MB a seed, so
that is 13 seeds of them; beside them the distance of one seed, in float64, takes nearly as much."""


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
            RunError: As `places`.
        """
        places, lost = self.places(needs, n=n)
        return Sample(
            self.seeds,
            tuple(self.prompts[place] for place in places),
            {need: self.columns[need][:, places] for need in needs},
            tuple(self.prompts[place].id for place in lost),
        )

    def places(self, needs: Sequence[str], *, n: int | None = None) -> tuple[Indices, Indices]:
        """Which prompts every seed stands on, and which went because a cell has no value.

        Args:
            needs: Columns, each "feature.column".
            n: The first so many prompts, in the order of their ids; all if None.

        Raises:
            RunError: If seeds would stand on different prompts (cells are missing: the
                message names the seeds), if failures cost 5 % of the prompts or more (both
                numbers are given), or if there are fewer than `n` prompts.
        """
        names = list(_features(needs))
        inside = self.inside(needs)
        self._refuse_missing(names, inside)
        lost = np.any([self.failed[name] for name in names], axis=(0, 1)) & inside
        self._refuse_lost(int(lost.sum()), int(inside.sum()))
        places = np.flatnonzero(inside & ~lost)
        if n is not None and n > len(places):
            raise RunError(f"{n} prompts were asked for; {len(places)} of the set can be used")
        return places[:n], np.flatnonzero(lost)

    def inside(self, needs: Sequence[str]) -> NDArray[np.bool_]:
        """The prompts to which the features of all columns apply, bool (P,)."""
        names = _features(needs)
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
        RunError: If a feature has no such column, or the columns exceed the machine's memory.
        ShardError: If a shard is damaged.
    """
    reader, features = _reader(run, sets), _features(needs)
    _refuse_large(reader.nbytes(features))
    return _read(reader, features)


def read_status(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """The same cells without their columns: what there is of them, and what failed.

    Args:
        run: The run.
        needs: Columns, each "feature.column", of whose features the cells are.
        sets: Prompt sets to read.

    Raises:
        ShardError: If a shard is damaged.
    """
    return _read(_reader(run, sets), dict.fromkeys(_features(needs), ()))


def seed_blocks(
    run: Run, needs: Sequence[str], *, sets: Sequence[int], n: int | None = None
) -> Iterator[Sample]:
    """The sample of `read_cells(...).sample(needs, n=n)`, some seeds at a time.

    For what treats every seed for itself: no more than `BLOCK_BYTES` of columns are held, or
    those of one seed, however many seeds there are. Which prompts count is decided over all
    seeds first.

    Args:
        run: The run.
        needs: Columns, each "feature.column".
        sets: Prompt sets to read.
        n: Use the first so many prompts, in the order of their ids; all if None.

    Yields:
        Samples of seeds in ascending order, all on the same prompts.

    Raises:
        RunError: As `read_cells` and `Cells.sample`.
        ShardError: If a shard is damaged.
    """
    status = read_status(run, needs, sets=sets)
    places, lost = status.places(needs, n=n)
    prompts = tuple(status.prompts[place] for place in places)
    dropped = tuple(status.prompts[place].id for place in lost)
    each = CellReader(run, status.seeds[:1], prompts).nbytes(_features(needs))
    step = max(1, BLOCK_BYTES // each)
    for start in range(0, len(status.seeds), step):
        seeds = status.seeds[start : start + step]
        yield _block(CellReader(run, seeds, prompts), needs, dropped)


def _block(reader: CellReader, needs: Sequence[str], dropped: tuple[str, ...]) -> Sample:
    """All cells of a reader; no name outlives the call, so that a block goes before the next."""
    cells = _read(reader, _features(needs))
    cells.places(needs)  # refuses what went since the status was read
    return Sample(cells.seeds, cells.prompts, cells.columns, dropped)


def _features(needs: Sequence[str]) -> dict[str, list[str]]:
    """Columns by feature, each once."""
    found: dict[str, list[str]] = {}
    for need in dict.fromkeys(needs):
        name, _, column = need.rpartition(".")
        found.setdefault(name, []).append(column)
    return found


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _refuse_large(needed: int) -> None:
    if needed > _memory():
        raise RunError(
            f"the features are needed all at once and take {needed / 2**30:,.1f} GiB; this machine "
            f"has {_memory() / 2**30:,.1f}: use fewer prompts (`metric_prompts` of the recipe), a "
            f"metric with one number per image, or a larger machine; `goldenseed measure` reads "
            f"distances some seeds at a time"
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
