"""Read vectors a part of the seeds at a time, cut so that each shard is read once if it can be."""

from collections.abc import Collection, Iterator, Sequence

from analysis.cells.cells import Cells, Sample, fill, read_status
from analysis.cells.memory import COPIES, GB
from analysis.cells.reader import CellReader, by_feature
from pipeline.errors import RunError
from pipeline.runs.run import Run

PART_BYTES = 2**30
"""Bytes of features that a part holds if the recipe states no memory: 13 seeds with Inception's
features of 10,000 images."""


def part_bytes(run: Run, work: int) -> int:
    """Return the bytes of features that a part may hold.

    Args:
        run: The run.
        work: Bytes that computing from the features takes in addition.
    """
    stated = run.recipe.analysis_memory_gb
    return PART_BYTES if stated is None else int(stated * GB) - work


def seed_parts(run: Run, *, seed_bytes: int, limit: int) -> Iterator[tuple[int, ...]]:
    """Cut the seeds of a run into parts: whole tiles where they fit, or equal shares of a tile.

    Args:
        run: The run.
        seed_bytes: Bytes of the features of one seed.
        limit: Bytes that a part may hold; it holds at least one seed.

    Yields:
        Seeds in ascending order; each seed is in one part.
    """
    most = max(1, limit // seed_bytes)
    part: list[int] = []
    for tile in sorted(_seeds_of_tiles(run)):
        if part and len(part) + len(tile) > most:
            yield tuple(sorted(part))
            part = []
        if len(tile) <= most:
            part += tile
            continue
        count = -(-len(tile) // most)
        size = -(-len(tile) // count)
        yield from (tuple(tile[start : start + size]) for start in range(0, len(tile), size))
    if part:
        yield tuple(sorted(part))


def read_part(
    run: Run, needs: Sequence[str], *, seeds: Sequence[int], prompts: Collection[str]
) -> Cells:
    """Read columns of the cells of some seeds and prompts.

    Args:
        run: The run.
        needs: Columns, each "feature.column".
        seeds: Seeds of the run, ascending.
        prompts: Ids of prompts of the run.

    Returns:
        The cells; the prompts of each set are consecutive, in the order of their ids.

    Raises:
        RunError: If a cell has no value.
        ShardError: If a shard is damaged.
    """
    chosen = sorted((run.prompts[name] for name in prompts), key=lambda p: (p.set, p.id))
    cells = fill(CellReader(run, tuple(seeds), tuple(chosen)), by_feature(needs))
    kept, _ = cells.prompt_indices(needs)
    if len(kept) < len(chosen):
        raise RunError(f"{len(chosen) - len(kept)} prompts lost values while they were read")
    return cells


def sample_in_parts(
    run: Run, needs: Sequence[str], *, sets: Sequence[int], n: int | None = None
) -> Iterator[Sample]:
    """Yield the rows of `read_cells(...).sample(needs, n=n)` in parts of the seeds.

    A part has one seed, or as many as the recipe's memory allows, so a run with many seeds needs
    no more memory than a small run. All parts have the prompts that all seeds have.

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
    seed_bytes = COPIES * len(prompts) * column_bytes(run, needs)
    for seeds in seed_parts(run, seed_bytes=seed_bytes, limit=part_bytes(run, 0)):
        yield _part(CellReader(run, seeds, prompts), needs, dropped)


def _part(reader: CellReader, needs: Sequence[str], dropped: tuple[str, ...]) -> Sample:
    """Read all cells of a reader.

    This is a separate function so that a part is freed before the next is read.
    """
    cells = fill(reader, by_feature(needs))
    cells.prompt_indices(needs)  # raises if cells disappeared since the status was read
    return Sample(cells.seeds, cells.prompts, cells.columns, dropped)


def column_bytes(run: Run, needs: Sequence[str]) -> int:
    """Compute the bytes that columns take for each cell."""
    prompt = next(iter(run.prompts.values()))
    return CellReader(run, tuple(run.seeds[:1]), (prompt,)).nbytes(by_feature(needs))


def _seeds_of_tiles(run: Run) -> Iterator[list[int]]:
    """Yield the seeds that share tiles; a grid that grew may cut some seeds in two ways."""
    known: set[int] = set()
    for block in run.blocks:
        for start in range(0, len(block.seeds), block.tile_seeds):
            seeds = sorted(set(block.seeds[start : start + block.tile_seeds]) - known)
            known.update(seeds)
            if seeds:
                yield seeds
