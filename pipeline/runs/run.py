"""A run: a folder with one run configuration, a growing grid of cells, and its shards.

The names of its files are in `pipeline.runs.layout`.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from pipeline.cards.card import Card
from pipeline.errors import ConfigError, RunError, StoreError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs import grid
from pipeline.runs.grid import Block, Tile
from pipeline.runs.grid_files import append_grid, read_grid, refuse_blocked
from pipeline.runs.identity import RunIdentity, read_identity
from pipeline.runs.layout import (
    FEATURES_FOLDER,
    IMAGES_FOLDER,
    LATENTS_FOLDER,
    RECIPE_FILE,
    RUN_FILE,
    TOKEN_FILE,
)
from pipeline.settings.config import RunConfig
from pipeline.settings.groups import check_groups
from pipeline.settings.recipe import Recipe
from pipeline.storage.address import Place, place_of
from pipeline.storage.disk import make_folder
from pipeline.storage.leftovers import settle
from pipeline.storage.local_store import LocalStore
from pipeline.storage.manifest import receipt_index
from pipeline.storage.open_store import refuse_overwriting, store_at
from pipeline.storage.schema import IMAGE_CONTENT, Table, latents_table
from pipeline.storage.sealed import seal, unseal
from pipeline.storage.shards import RECEIPTS, ShardFolder
from pipeline.storage.store import Store


class Run:
    """An opened run folder. Use `Run.open` or `Run.start`.

    The recipe and the grid are read once, when the folder is opened: what another process adds
    to the grid later is seen by opening the folder again, or by `grow`. Shards are different:
    each question about them looks at the folder.

    Attributes:
        root: The folder, absolute; or the address.
        store: Its files.
        config: The run configuration.
        card: The card of the run's model, as it was when the run began.
        recipe: The recipe of the last command: metrics, ranking, codec.
    """

    def __init__(self, root: Place, identity: RunIdentity, recipe: Recipe) -> None:
        self.store = store_at(root)
        self.root = self.store.root
        self.config, self.card = identity.config, identity.card
        self.recipe = recipe
        self._grid = read_grid(self.store)

    @classmethod
    def open(cls, path: str | Place, recipe: Recipe | None = None) -> Self:
        """Open a run folder.

        A run of an earlier version is brought into today's layout.

        Args:
            path: The folder, or an address such as s3://bucket/run.
            recipe: The recipe to work by; None for that of the last command. Actors are given the
                recipe of their own command, because another command may replace that file.

        Raises:
            RunError: If the folder is not a run, is damaged, or has another schema version.
            StoreError: If it is a run of an earlier version and cannot be written, or if the object
                store cannot be read.
        """
        place = place_of(path)
        return cls(place, read_identity(place), recipe or read_recipe(place))

    @classmethod
    def start(
        cls, path: Place, config: RunConfig, recipe: Recipe, card: Card | None = None
    ) -> Self:
        """Open the run of this configuration, or begin it if the folder is new.

        A start that was interrupted is completed.

        Args:
            path: The folder.
            config: The configuration.
            recipe: The recipe.
            card: The card of the run's model; None for the recipe's own.

        Raises:
            RunError: If the folder holds a run with other settings; the message names them with
                both values.
        """
        store = store_at(path)
        identity = RunIdentity(config, card or recipe.own_card())
        _refuse_images_of_others(store, config)
        if not store.exists(RUN_FILE):
            _prepare(store)
        if not store.put_if_absent(RUN_FILE, identity.to_json()):
            _refuse_other(store.root, read_identity(path).config, config)
        store.put_if_absent(TOKEN_FILE, secrets.token_hex(16).encode())
        store.replace(RECIPE_FILE, seal(recipe.model_dump(mode="json")))
        return cls.open(path, recipe)

    @property
    def folder(self) -> Path:
        """The run folder on a disk.

        Raises:
            StoreError: If the run is in an object store; says how to copy it to a disk.
        """
        return self.store.path("")

    @property
    def run_id(self) -> str:
        """Hash of everything that defines the images."""
        return self.config.run_id

    @property
    def latents_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of one image's latents."""
        return self.card.latents_shape(self.config.height, self.config.width)

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks of cells in the order in which they were added."""
        return self._grid.blocks

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """All prompts of the grid by id, in the order in which they were added."""
        return self._grid.prompts

    @property
    def seeds(self) -> Sequence[int]:
        """All seeds of the grid in the order in which they were added."""
        return self._grid.seeds

    @property
    def grid_hash(self) -> str:
        """Name of the set of cells, 16 hex digits."""
        return self._grid.grid_hash

    def kept_prompts(self) -> frozenset[str]:
        """Ids of the prompts whose images are kept: the first ones, as many as the recipe says."""
        return frozenset(list(self.prompts)[: self.recipe.kept_prompts(len(self.prompts))])

    def read_token(self) -> str:
        """Read the text that every actor must find in this folder."""
        try:
            return self.store.read(TOKEN_FILE).decode()
        except (FileNotFoundError, UnicodeDecodeError) as error:
            raise RunError(
                f"{self.store.where(TOKEN_FILE)} is missing or damaged: {error}; remove it and "
                f"give the command that began the run again, it rewrites the file"
            ) from error

    def tiles(self) -> Iterator[Tile]:
        """All tiles, in drawing order."""
        return (tile for block in self.blocks for tile in grid.cut(block))

    def reread_grid(self) -> None:
        """Take in what other processes have added to the grid since it was read."""
        self._grid = read_grid(self.store)

    def grow(self, seeds: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Add seeds and prompts to the grid; the grid keeps what it holds, at no cost.

        The recipe gives the shape and the order of new tiles. Two drivers may grow a run at
        the same time: the second sees the blocks of the first and adds what is still missing.

        Raises:
            ConfigError: If the run's intervention draws groups, and the batch, the tile or the
                seeds are not a whole number of groups.
            RunError: If a grid file is missing, or something else has the name of the next one.
        """
        check_groups(
            self.config.intervention.name,
            batch_size=self.config.batch_size,
            tile_seeds=self.recipe.tile.seeds,
            seeds=seeds,
        )
        wanted = {prompt.id: prompt for prompt in prompts}
        while True:
            self.reread_grid()
            blocks = self._missing_blocks(seeds, list(wanted))
            if not blocks:
                return
            new_prompts = [prompt for key, prompt in wanted.items() if key not in self.prompts]
            if not append_grid(self.store, self._grid, blocks, new_prompts):
                refuse_blocked(self.store, self._grid)

    def _missing_blocks(self, seeds: Sequence[int], prompt_ids: Sequence[str]) -> list[Block]:
        return grid.grow(
            self.blocks,
            seeds,
            prompt_ids,
            tile_seeds=self.recipe.tile.seeds,
            tile_prompts=self.recipe.tile.prompts,
            order=self.recipe.order,
        )

    @property
    def images(self) -> ShardFolder:
        """The folder of image shards."""
        return ShardFolder(self.store, IMAGES_FOLDER, IMAGE_CONTENT)

    @property
    def latents(self) -> ShardFolder:
        """The folder of kept latents; empty unless the recipe sets `keep_latents`."""
        return ShardFolder(self.store, LATENTS_FOLDER, latents_table(self.latents_shape).names)

    def features(self, identity: str, table: Table) -> ShardFolder:
        """The folder of the shards of one feature.

        Args:
            identity: `<name>-<8 hex digits>`.
            table: Its table; all columns are content.
        """
        return ShardFolder(self.store, f"{FEATURES_FOLDER}/{identity}", table.names)

    def settle(self) -> None:
        """Bring the shard folders in order after interruptions; see `storage.leftovers.settle`."""
        for folder in (self.images, self.latents, *feature_folders(self.store)):
            settle(folder)

    def missing(self) -> list[Tile]:
        """The tiles without a complete shard, in drawing order.

        Where the recipe keeps latents, a tile also needs a complete shard of latents.
        """
        folders = [self.images, *([self.latents] if self.recipe.keep_latents != "none" else [])]
        indexes = [(folder, receipt_index(folder)) for folder in folders]
        return [
            tile
            for tile in self.tiles()
            if not all(
                tile.id in index and folder.intact(index[tile.id]) for folder, index in indexes
            )
        ]


def feature_folders(store: Store) -> list[ShardFolder]:
    """The folders of all features of a run, also of features that no registry knows."""
    roots = (FEATURES_FOLDER, f"{RECEIPTS}/{FEATURES_FOLDER}")
    names = {name for root in roots for name in store.folders(root)}
    return [ShardFolder(store, f"{FEATURES_FOLDER}/{name}", ()) for name in sorted(names)]


def read_recipe(root: Place) -> Recipe:
    """Read the recipe of a run's last command.

    Raises:
        RunError: If the file is missing or damaged.
    """
    store = store_at(root)
    try:
        return Recipe(**unseal(store.read(RECIPE_FILE)))
    except StoreError:  # is also a ValueError
        raise
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise RunError(
            f"{store.where(RECIPE_FILE)} is missing or damaged: {error}; give the command that "
            f"began the run again, it rewrites the file"
        ) from error


def _refuse_images_of_others(store: Store, config: RunConfig) -> None:
    """Refuse to begin a run in a folder without run.json that holds another run's images."""
    if store.exists(RUN_FILE):
        return
    images = ShardFolder(store, IMAGES_FOLDER, IMAGE_CONTENT)
    others = {receipt.run_id for receipt in receipt_index(images).values()} - {config.run_id}
    if others:
        raise RunError(
            f"{store.root} has lost its {RUN_FILE} and holds images of run {min(others)}; this "
            f"recipe makes run {config.run_id}: bring back a copy of the file, give the recipe "
            f"that began the run, or give the new run a folder of its own (--out)"
        )


def _prepare(store: Store) -> None:
    """Make sure that a new run's place lets one writer win, and show that it is of this version."""
    if isinstance(store, LocalStore):
        make_folder(store.path(RECEIPTS))  # an old run has none, and only its files lack seals
    else:
        refuse_overwriting(store)


def _refuse_other(root: Place, old: RunConfig, new: RunConfig) -> None:
    if old.run_id == new.run_id:
        return
    before, after = old.model_dump(), new.model_dump()
    changed = [name for name in before if before[name] != after[name]]
    changes = [f"  {name}: {before[name]!r} here, {after[name]!r} wanted" for name in changed]
    raise RunError(
        f"{root} holds a run with other settings; its images would not be comparable:\n"
        + "\n".join(changes)
        + "\nGive the new run a folder of its own (--out)."
    )


def parse_part(text: str) -> tuple[int, int]:
    """Parse "i/n", the i-th of n parts of a run.

    Raises:
        ConfigError: If the text is not two whole numbers with 1 <= i <= n.

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
    """The time, for provenance only; nothing is ordered by it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
