"""Reads and appends the files of a run that hold its grid."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.errors import RunError
from pipeline.prompts.prompt import Prompt
from pipeline.runs import grid
from pipeline.runs.grid import Block
from pipeline.runs.layout import GRID_FOLDER
from pipeline.storage.store import LocalStore


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


def read_grid(store: LocalStore) -> GridFiles:
    """Read the grid files of a run; a run that was just begun has none.

    Raises:
        RunError: If a file is damaged, or one between two others is missing.
    """
    count = sum(1 for _ in store.list(GRID_FOLDER, ".json"))
    files = [_read_file(store, _key(index)) for index in range(count)]
    prompts = {prompt.id: prompt for _, some in files for prompt in some}
    return GridFiles(tuple(block for some, _ in files for block in some), prompts, count)


def append_grid(
    store: LocalStore, known: GridFiles, blocks: Sequence[Block], prompts: Sequence[Prompt]
) -> bool:
    """Add one file of blocks and prompts, unless another process has added one since `known`.

    Returns:
        Whether the file was added.
    """
    fields = {
        "blocks": [block.to_json() for block in blocks],
        "prompts": [prompt.to_json() for prompt in prompts],
    }
    return store.put_if_absent(_key(known.count), json.dumps(fields).encode())


def refuse_blocked(store: LocalStore, known: GridFiles) -> None:
    """Refuse a grid whose next name is taken by something that is not one of its files.

    Raises:
        RunError: If the grid has no more files than before.
    """
    if read_grid(store).count == known.count:
        raise RunError(
            f"{store.path(_key(known.count))} is not a file of the grid, and the grid cannot grow "
            f"while it is there; move it away"
        )


def _key(index: int) -> str:
    return f"{GRID_FOLDER}/{index:04d}.json"


def _read_file(store: LocalStore, key: str) -> tuple[list[Block], list[Prompt]]:
    try:
        content = store.read(key)
    except FileNotFoundError as error:
        raise RunError(
            f"{store.path(key)} is missing, but the run has later grid files: bring it back"
        ) from error
    try:
        fields: dict[str, Any] = json.loads(content)
        blocks = [Block.from_json(line) for line in fields["blocks"]]
        return blocks, [Prompt.from_json(line) for line in fields["prompts"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{store.path(key)} is damaged: {error}; bring back a copy of it") from error
