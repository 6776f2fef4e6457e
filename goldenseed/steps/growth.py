"""Foresee the grid of a run: what its folder holds, and what a recipe adds to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import counted
from pipeline.prompts.prompt import Prompt
from pipeline.runs import grid
from pipeline.runs.grid import Block
from pipeline.runs.grid_files import read_grid
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import RUN_FILE
from pipeline.settings.recipe import Recipe
from pipeline.storage.address import Place
from pipeline.storage.open_store import store_at


@dataclass(frozen=True)
class GrownGrid:
    """The grid of a run after a command: each of its prompts with each of its seeds.

    Attributes:
        old: The blocks that the folder holds.
        new: The blocks that are added.
        prompts: All prompts by id.
    """

    old: Sequence[Block]
    new: Sequence[Block]
    prompts: Mapping[str, Prompt]

    @cached_property
    def seeds(self) -> list[int]:
        """All seeds."""
        return grid.axes([*self.old, *self.new])[0]

    @property
    def words(self) -> str:
        """Say how the grid of a run grows; empty for a new run, or if it does not grow."""
        if not self.old or not self.new:
            return ""
        seeds, prompts = (len(axis) for axis in grid.axes(self.old))
        old, all_cells = seeds * prompts, len(self.seeds) * len(self.prompts)
        return (
            f"the run has {counted(prompts, 'prompt')} x {counted(seeds, 'seed')} and grows to "
            f"{len(self.prompts):,} x {len(self.seeds):,}, each prompt with each seed: "
            f"{counted(all_cells - old, 'image')} more"
        )


def grown_grid(recipe: Recipe, prompts: Mapping[str, Prompt], folder: Place) -> GrownGrid:
    """Foresee the grid of a run. Writes nothing.

    Args:
        recipe: The recipe, which names the seeds.
        prompts: Its prompts, by id.
        folder: The run folder, which need not exist.

    Raises:
        RunError: If the folder holds a damaged run.
    """
    old: Sequence[Block] = ()
    known: Mapping[str, Prompt] = {}
    store = store_at(folder)
    if store.exists(RUN_FILE):
        read_identity(folder)
        files = read_grid(store)
        old, known = files.blocks, files.prompts
    new = grid.grow(
        old,
        recipe.seeds.values(),
        list(prompts),
        tile_seeds=recipe.tile.seeds,
        tile_prompts=recipe.tile.prompts,
        order=recipe.order,
    )
    return GrownGrid(old, new, {**known, **prompts})
