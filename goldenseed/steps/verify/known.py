"""What a run began with, as far as its files can be read: the measure of all other files."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from goldenseed.steps.verify.checked import Checked
from pipeline.errors import RunError
from pipeline.prompts.prompt import Prompt
from pipeline.runs.grid import Tile, cut
from pipeline.runs.grid_files import GridFiles, grid_count, grid_key, read_grid, read_grid_file
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RECIPE_FILE, RUN_FILE, TOKEN_FILE
from pipeline.runs.run import read_recipe
from pipeline.storage.shards import RECEIPTS
from pipeline.storage.store import Store


class Known:
    """What can be known of a run whose files may be damaged.

    Attributes:
        store: The run folder.
        run_id: From run.json; empty if that is damaged.
        grid: From the grid files; None if one is damaged.
        files: The files above, checked.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.run_id = ""
        with suppress(RunError):
            self.run_id = read_identity(store.root).config.run_id
        self.grid: GridFiles | None = None
        self._tiles: Mapping[str, Tile] = {}
        self.files = self._check_files()
        self._read_grid()

    @property
    def damaged(self) -> bool:
        """Whether the run cannot be opened."""
        return any(file.problem for file in self.files)

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts of the grid by id."""
        return self.grid.prompts if self.grid else {}

    @property
    def tiles(self) -> Mapping[str, Tile]:
        """The tiles of the grid by id."""
        return self._tiles

    def tile(self, shard_id: str) -> Tile | None:
        """Find a tile, also one that was added since the grid was read."""
        if shard_id not in self._tiles:
            self._read_grid()
        return self._tiles.get(shard_id)

    def _read_grid(self) -> None:
        with suppress(RunError):
            self.grid = read_grid(self.store)
            tiles = (tile for block in self.grid.blocks for tile in cut(block))
            self._tiles = {tile.id: tile for tile in tiles}

    def _check_files(self) -> list[Checked]:
        root = self.store.root
        count = grid_count(self.store)
        if not count and next(iter(self.store.list(RECEIPTS, "")), None):
            count = 1  # shards were drawn: the first grid file is missing
        return [
            Checked(RUN_FILE, _error(partial(read_identity, root))),
            Checked(RECIPE_FILE, _error(partial(read_recipe, root))),
            Checked(TOKEN_FILE, self._token_problem()),
            *map(self._check_grid_file, range(count)),
        ]

    def _check_grid_file(self, index: int) -> Checked:
        return Checked(grid_key(index), _error(partial(read_grid_file, self.store, index)))

    def _token_problem(self) -> str:
        hint = "; give the command that began the run again, it rewrites the file"
        return "" if self.store.exists(TOKEN_FILE) else f"is missing{hint}"


def _error(read: Callable[[], object]) -> str:
    """Give the message of a read that fails; empty if it succeeds."""
    try:
        read()
    except RunError as error:
        return str(error)
    return ""
