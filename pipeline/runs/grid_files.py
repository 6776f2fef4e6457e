"""Reads and appends the files of a run that hold its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import RunError
from pipeline.prompts.prompt import Prompt
from pipeline.runs import grid
from pipeline.runs.grid import Block
from pipeline.runs.layout import GRID_FOLDER
from pipeline.storage.sealed import seal, unseal
from pipeline.storage.store import Store

REMEDY = (
    "bring back a copy of it. Without a copy, move the folder `grid` away and give the commands "
    "that made the run again, in their order: they write the same grid, which finds its shards"
)
"""What to do about a grid file that is missing or damaged."""

FEWEST_DIGITS = 4
"""Digits of the number in a grid file's name."""


@dataclass(frozen=True)
class GridFiles:
    """The grid of a run, as its files held it when they were read.

    Attributes:
        blocks: The blocks of cells in the order in which they were added.
        prompts: All prompts by id, in the order in which they were added.
        count: Number of files.
    """

    blocks: tuple[Block, ...]
    prompts: Mapping[str, Prompt]
    count: int

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """All seeds in the order in which they were added."""
        return tuple(grid.axes(self.blocks)[0])

    @cached_property
    def grid_hash(self) -> str:
        """Name of the set of cells, 16 hex digits."""
        return grid.grid_hash(self.blocks)


def read_grid(store: Store) -> GridFiles:
    """Read the grid files of a run; a run that was just begun has none.

    Raises:
        RunError: If a file is damaged, one between two others is missing, or a cell's prompt is
            in none.
    """
    count = grid_count(store)
    files = [read_grid_file(store, index) for index in range(count)]
    prompts = {prompt.id: prompt for _, some in files for prompt in some}
    blocks = tuple(block for some, _ in files for block in some)
    unknown = {prompt_id for block in blocks for prompt_id in block.prompt_ids} - prompts.keys()
    if unknown:
        raise RunError(
            f"{store.path(GRID_FOLDER)}: no file holds the prompt {min(unknown)!r:.80}, which a "
            f"block of cells names: {REMEDY}"
        )
    return GridFiles(blocks, prompts, count)


def grid_count(store: Store) -> int:
    """Count the grid files that a run must have: as many as the last that is there says."""
    keys = [*store.list(GRID_FOLDER, ".json")]
    names = [key.rpartition("/")[2].removesuffix(".json") for key in keys]
    numbers = [int(name) for name in names if len(name) == FEWEST_DIGITS and name.isdecimal()]
    count = max(len(names), *(number + 1 for number in numbers), 0)
    while store.exists(grid_key(count)):  # a list may be older than the files
        count += 1
    return count


def append_grid(
    store: Store, known: GridFiles, blocks: Sequence[Block], prompts: Sequence[Prompt]
) -> bool:
    """Add one file of blocks and prompts, unless another process has added one since `known`.

    Returns:
        Whether the file was added.
    """
    fields = {
        "blocks": [block.to_json() for block in blocks],
        "prompts": [prompt.to_json() for prompt in prompts],
        "index": known.count,
    }
    return store.put_if_absent(grid_key(known.count), seal(fields))


def refuse_blocked(store: Store, known: GridFiles) -> None:
    """Refuse a grid whose next name is taken by something that is not one of its files.

    Raises:
        RunError: If the grid has no more files than before.
    """
    if read_grid(store).count == known.count:
        raise RunError(
            f"{store.where(grid_key(known.count))} is not a file of the grid, and the grid "
            f"cannot grow while it is there; move it away"
        )


def grid_key(index: int) -> str:
    """The key of a grid file; the first has the index 0."""
    return f"{GRID_FOLDER}/{index:0{FEWEST_DIGITS}d}.json"


def read_grid_file(store: Store, index: int) -> tuple[list[Block], list[Prompt]]:
    """Read one file of a grid.

    Raises:
        RunError: If it is missing or damaged; says what to do.
    """
    key = grid_key(index)
    try:
        content = store.read(key)
    except FileNotFoundError as error:
        is_last = index >= grid_count(store)
        why = "the run has shards of its cells" if is_last else "the run has later grid files"
        raise RunError(f"{store.where(key)} is missing, and {why}: {REMEDY}") from error
    try:
        fields = unseal(content)
        if fields["index"] != index:
            raise ValueError(f"it is the grid's file {fields['index']}")
        blocks = [Block.from_json(line) for line in fields["blocks"]]
        return blocks, [Prompt.from_json(line) for line in fields["prompts"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{store.where(key)} is damaged: {error}; {REMEDY}") from error
