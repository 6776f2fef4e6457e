"""A run folder: one run configuration, its growing grid, its shards.

run.json              what defines every image; written once, put if absent
recipe.json           what was asked for last (metrics, ranking ...); not identity
grid/0000.json ...    blocks of cells and the prompts they brought; append-only
token                 random text that every actor must see: proves that the path is shared
canary.json           one drawn cell that every actor must reproduce
images/               image shards and their receipts
latents/              kept latents and their receipts, where the recipe says `keep_latents`
features/<name>-<id>/ feature shards and their receipts
per_seed.parquet, ranking.json, studies/, releases/   derived, rebuilt at will
wanted/               recipes of what a study lacked
"""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.cards.card import Card, find_card
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs import grid
from pipeline.runs.grid import Block, Tile
from pipeline.settings.config import RunConfig
from pipeline.settings.groups import check_groups
from pipeline.settings.recipe import Recipe
from pipeline.storage.manifest import receipt_index
from pipeline.storage.schema import IMAGE_CONTENT, SCHEMA_VERSION, Table, latents_table
from pipeline.storage.shards import ShardFolder
from pipeline.storage.store import LocalStore

RUN_FILE = "run.json"
RECIPE_FILE = "recipe.json"
TOKEN_FILE = "token"


class Run:
    """An opened run folder. Use `Run.open` or `Run.start`.

    Attributes:
        root: The folder, absolute.
        store: Its files.
        config: The run configuration.
        card: The card of the run's model, as it was when the run began.
    """

    def __init__(self, root: Path, config: RunConfig, card: Card) -> None:
        self.root = Path(root).absolute()
        self.store = LocalStore(self.root)
        self.config = config
        self.card = card

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run folder.

        Raises:
            RunError: If the folder is not a run, is damaged, or has another schema version.
        """
        file = Path(path) / RUN_FILE
        if not file.is_file():
            raise RunError(f"{path} is not a run folder: it holds no {RUN_FILE}{_arms_hint(path)}")
        try:
            fields = json.loads(file.read_bytes())
            version = fields["schema_version"]
            if version != SCHEMA_VERSION:
                raise RunError(
                    f"{path} was written with schema {version}, this program reads "
                    f"{SCHEMA_VERSION}; use the goldenseed that wrote it"
                )
            run = cls(Path(path), RunConfig(**fields["config"]), Card(**fields["card"]))
        except (KeyError, TypeError, json.JSONDecodeError, ValidationError) as error:
            raise RunError(f"{file} is damaged: {error}") from error
        if run.config.run_id != fields["run_id"]:
            raise RunError(f"{file} is damaged: its settings do not give its run_id")
        return run

    @classmethod
    def start(cls, path: Path, config: RunConfig, recipe: Recipe) -> "Run":
        """Open the run of this configuration, or begin it if the folder is new.

        Raises:
            RunError: If the folder holds a run with other settings: names them, both values.
        """
        run = cls(path, config, find_card(recipe.card))
        fields = {
            "schema_version": SCHEMA_VERSION,
            "run_id": config.run_id,
            "config": config.model_dump(mode="json"),
            "card": run.card.model_dump(mode="json"),
        }
        if not run.store.put_if_absent(RUN_FILE, json.dumps(fields, indent=1).encode()):
            run = cls.open(path)
            run._refuse_other(config)
        run.store.put_if_absent(TOKEN_FILE, secrets.token_hex(16).encode())
        run.store.replace(RECIPE_FILE, recipe.model_dump_json(indent=1).encode())
        return run

    def _refuse_other(self, config: RunConfig) -> None:
        if self.config.run_id == config.run_id:
            return
        old, new = self.config.model_dump(), config.model_dump()
        changes = [f"  {k}: {old[k]!r} here, {new[k]!r} wanted" for k in old if old[k] != new[k]]
        raise RunError(
            f"{self.root} holds a run with other settings; its images would not be comparable:\n"
            + "\n".join(changes)
            + "\nGive the new run a folder of its own (--out)."
        )

    @property
    def run_id(self) -> str:
        """Name of what defines the images."""
        return self.config.run_id

    @property
    def latents_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of one image's latents."""
        return self.card.latents_shape(self.config.height, self.config.width)

    @property
    def recipe(self) -> Recipe:
        """What was asked for last: metrics, ranking, codec."""
        try:
            return Recipe(**json.loads(self.store.read(RECIPE_FILE)))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.root / RECIPE_FILE} is missing or damaged: {error}") from error

    @property
    def token(self) -> str:
        """The text that every actor must find in this folder."""
        return self.store.read(TOKEN_FILE).decode()

    def _grid_files(self) -> list[dict[str, Any]]:
        return [json.loads(self.store.read(key)) for key in self.store.list("grid", ".json")]

    @property
    def blocks(self) -> list[Block]:
        """The blocks of cells in the order in which they were added."""
        return [Block.from_json(line) for file in self._grid_files() for line in file["blocks"]]

    @property
    def prompts(self) -> dict[str, Prompt]:
        """All prompts of the grid by id, in the order in which they were added."""
        rows = [Prompt.from_json(line) for file in self._grid_files() for line in file["prompts"]]
        return {prompt.id: prompt for prompt in rows}

    @property
    def seeds(self) -> list[int]:
        """All seeds of the grid in the order in which they were added."""
        return grid.axes(self.blocks)[0]

    @property
    def grid_hash(self) -> str:
        """Name of the set of cells, 16 hex digits."""
        return grid.grid_hash(self.blocks)

    def tiles(self) -> Iterator[Tile]:
        """All tiles, in drawing order."""
        return (tile for block in self.blocks for tile in grid.cut(block))

    def grow(self, seeds: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Make the grid hold these seeds and prompts as well; what is there stays.

        The shape of new tiles and their order are the recipe's. Two drivers may grow a run at
        the same time: the second sees the first one's blocks and adds what is still missing.

        Raises:
            ConfigError: If the run's intervention draws groups, and batch, tile or seeds hold no
                whole number of them.
        """
        recipe = self.recipe
        check_groups(
            self.config.intervention.name,
            batch_size=self.config.batch_size,
            tile_seeds=recipe.tile.seeds,
            seeds=seeds,
        )
        wanted = {prompt.id: prompt for prompt in prompts}
        while True:
            files, known = self._grid_files(), self.prompts
            new = grid.grow(
                self.blocks,
                seeds,
                list(wanted),
                tile_seeds=recipe.tile.seeds,
                tile_prompts=recipe.tile.prompts,
                order=recipe.order,
            )
            lines = [prompt.to_json() for key, prompt in wanted.items() if key not in known]
            value = {"blocks": [block.to_json() for block in new], "prompts": lines}
            key = f"grid/{len(files):04d}.json"
            if not new or self.store.put_if_absent(key, json.dumps(value).encode()):
                return

    @property
    def images(self) -> ShardFolder:
        """The image shards."""
        return ShardFolder(self.store, "images", IMAGE_CONTENT)

    @property
    def latents(self) -> ShardFolder:
        """The shards of kept latents; empty unless the recipe says `keep_latents`."""
        return ShardFolder(self.store, "latents", latents_table(self.latents_shape).names)

    def features(self, identity: str, table: Table) -> ShardFolder:
        """The shards of one feature.

        Args:
            identity: `<name>-<8 hex digits>`.
            table: Its table; all columns are content.
        """
        return ShardFolder(self.store, f"features/{identity}", table.names)

    def missing(self) -> list[Tile]:
        """The tiles without a whole shard, in drawing order.

        Where the recipe keeps latents, without a whole shard of these as well.
        """
        folders = [self.images, *([self.latents] if self.recipe.keep_latents != "none" else [])]
        found = [(folder, receipt_index(folder)) for folder in folders]
        return [
            tile
            for tile in self.tiles()
            if not all(tile.id in there and at.intact(there[tile.id]) for at, there in found)
        ]


def _arms_hint(path: str | Path) -> str:
    arms = sorted(file.parent.name for file in Path(path).glob(f"*/{RUN_FILE}"))
    if not arms:
        return "; `goldenseed generate RECIPE` makes one"
    return f"; its arms are run folders: {', '.join(str(Path(path) / arm) for arm in arms)}"


def parse_part(text: str) -> tuple[int, int]:
    """Read "i/n", the i-th of n parts of a run.

    Raises:
        ConfigError: If it is not two whole numbers with 1 <= i <= n.

    Example:
        >>> parse_part("2/8")
        (2, 8)
    """
    try:
        index, count = (int(number) for number in text.split("/"))
    except ValueError as error:
        raise ConfigError(f"--part {text!r} is not of the form i/n, for example 2/8") from error
    if not 1 <= index <= count:
        raise ConfigError(f"--part {text!r}: parts are numbered from 1 to n")
    return index, count


def utc_now() -> str:
    """The time, for provenance only: nothing is ordered by it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
