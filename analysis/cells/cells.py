"""Read the features of a run as arrays (seeds, prompts), which metrics and studies compute from.

A cell without a receipt counts as missing. All seeds have the same prompts: if a cell has no value,
its prompt is dropped for all seeds. If too many prompts would be dropped, an error is raised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cells.memory import COPIES, refuse_large
from analysis.cells.reader import CellReader, by_feature
from analysis.statistics.arrays import Array, Flags, Indices
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

MAX_DROPPED = 0.05
"""A set is refused if this share of its prompts, or more, would be dropped for failed cells."""


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
        sample = self.sample_of(kept, needs)
        return replace(sample, dropped=tuple(self.prompts[i].id for i in dropped))

    def sample_of(self, chosen: Indices, needs: Sequence[str] = ()) -> Sample:
        """Take some prompts, whether or not all their cells have values.

        Args:
            chosen: Indices of the prompts, ascending.
            needs: Columns; all if empty.
        """
        names = needs or list(self.columns)
        columns = {need: _of_prompts(self.columns[need], chosen) for need in names}
        return Sample(self.seeds, tuple(self.prompts[i] for i in chosen), columns)

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
        names = list(by_feature(needs))
        applicable = self.applicable(needs)
        self._refuse_missing(names, applicable)
        dropped = np.any([self.failed[name] for name in names], axis=(0, 1)) & applicable
        self._refuse_dropped(int(dropped.sum()), int(applicable.sum()))
        kept = np.flatnonzero(applicable & ~dropped)
        if n is not None and n > len(kept):
            raise RunError(f"{n} prompts are wanted, but the set has only {len(kept)} to use")
        return kept[:n], np.flatnonzero(dropped)

    def of_set(self, number: int) -> "Cells":
        """Give the cells of one prompt set, without a copy if its prompts are consecutive."""
        chosen = np.flatnonzero([prompt.set == number for prompt in self.prompts])

        def part(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: _of_prompts(array, chosen) for name, array in arrays.items()}

        return Cells(
            self.seeds,
            tuple(self.prompts[i] for i in chosen),
            part(self.columns),
            part(self.missing),
            part(self.failed),
            {name: flags[chosen] for name, flags in self.not_applicable.items()},
        )

    def applicable(self, needs: Sequence[str]) -> Flags:
        """Find the prompts to which the features of all columns apply, bool (P,)."""
        names = by_feature(needs)
        return np.asarray(~np.any([self.not_applicable[name] for name in names], axis=0))

    def _refuse_missing(self, names: Sequence[str], applicable: Flags) -> None:
        missing = np.any([self.missing[name] for name in names], axis=0) & applicable
        counts = missing.sum(axis=1)
        if not counts.any():
            return
        if counts.min() == applicable.sum():
            raise RunError(
                f"no image is measured yet by {', '.join(names)}; run the same `goldenseed run` "
                f"again, or `goldenseed measure` on the run"
            )
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


def _of_prompts(array: Array, chosen: Indices) -> Array:
    """Take some prompts of an array (S, P, ...): a view if they are consecutive."""
    if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
        return array[:, chosen[0] : chosen[-1] + 1]
    return array[:, chosen]


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
        RunError: If a feature has no such column, or an analysis of the columns would take more
            memory than the recipe allows, or the machine has.
        ShardError: If a shard is damaged.
    """
    return _read_all(run, needs, _prompts(run, sets))


def read_each_set(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> list[Cells]:
    """Read columns of several prompt sets at once, each shard a single time.

    Args:
        run: The run.
        needs: Columns, as for `read_cells`.
        sets: Prompt sets to read.

    Returns:
        The cells of each set, in order.

    Raises:
        RunError: As `read_cells`; the memory is that of all sets together.
        ShardError: If a shard is damaged.
    """
    prompts = [prompt for number in sets for prompt in _prompts(run, [number])]
    cells = _read_all(run, needs, prompts)
    return [cells.of_set(number) for number in sets]


def read_status(run: Run, needs: Sequence[str], *, sets: Sequence[int]) -> Cells:
    """Read which cells are missing, failed or not applicable, without reading their columns.

    Args:
        run: The run.
        needs: Columns, each "feature.column"; only their features matter.
        sets: Prompt sets to read.

    Raises:
        ShardError: If a shard is damaged.
    """
    reader = CellReader(run, tuple(sorted(run.seeds)), tuple(_prompts(run, sets)))
    return fill(reader, dict.fromkeys(by_feature(needs), ()))


def _prompts(run: Run, sets: Sequence[int]) -> list[Prompt]:
    """List the prompts of some sets in the order of their ids."""
    return sorted((p for p in run.prompts.values() if p.set in sets), key=lambda p: p.id)


def _read_all(run: Run, needs: Sequence[str], prompts: Sequence[Prompt]) -> Cells:
    reader, features = CellReader(run, tuple(sorted(run.seeds)), tuple(prompts)), by_feature(needs)
    refuse_large(run, COPIES * reader.nbytes(features))
    return fill(reader, features)


def fill(reader: CellReader, features: Mapping[str, Sequence[str]]) -> Cells:
    """Read columns with a reader.

    Args:
        reader: A new reader.
        features: Feature -> its columns, possibly none.
    """
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
