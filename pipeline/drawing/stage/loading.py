"""Load what an actor draws with: the run, its model and its intervention."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline import models
from pipeline.cards.card import resolve
from pipeline.drawing.long_texts import refuse_long, texts_of
from pipeline.drawing.stage.rows import Encoded, encode
from pipeline.drawing.tile import CellImage, Drawer
from pipeline.errors import ConfigError, RunError
from pipeline.interventions.base import Intervention
from pipeline.models.base import ChecksPrompts, Model, refuse_unread_negatives
from pipeline.models.kernels import with_kernels
from pipeline.prompts.conditions import FOLDER, Conditions, check_conditions
from pipeline.prompts.prompt_sets import Prompt
from pipeline.registry import load
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.runs.sampling import make_intervention
from pipeline.settings.config import own_source_sha256
from pipeline.settings.groups import group_size
from pipeline.stage import Uint8Images
from pipeline.storage.receipts import Receipt


@dataclass(frozen=True)
class DrawnTile:
    """A drawn tile whose images are perhaps still being encoded.

    Attributes:
        cells: The cells; their pixels are views of `images`, so a tile holds its images once.
        images: (N, H, W, 3) uint8, aligned with the cells; zeros where there is no usable image.
        encoded: For each cell a function that waits for its encoded image.
    """

    cells: list[CellImage]
    images: Uint8Images
    encoded: list[Callable[[], Encoded]]


@dataclass(frozen=True)
class Loaded:
    """What an actor holds after `setup`.

    Attributes:
        encoders: Threads that encode while the next batch is drawn; None to encode afterwards.
    """

    run: Run
    drawer: Drawer
    prompts: Mapping[str, Prompt]
    condition_images: Conditions
    kept_prompts: frozenset[str]
    negative_cut: int
    encoders: ThreadPoolExecutor | None

    def cut_of(self, prompt_id: str) -> int:
        """Tokens of the run's negative prompt that are cut off, if the prompt has none itself."""
        return 0 if self.prompts[prompt_id].negative else self.negative_cut

    def receipt(self, tile: Tile) -> Receipt | None:
        """The receipt of a tile's images; None unless all that is kept of the tile is there."""
        receipt = self.run.images.receipt(tile.id, tile.block)
        if receipt is None or not self.run.images.intact(receipt):
            return None
        has_latents = self.drawer.keep_latents == "none" or self.run.latents.has(
            tile.id, tile.block, receipt.content_sha256
        )
        return receipt if has_latents else None

    def draw(self, tile: Tile) -> DrawnTile:
        """Draw all cells of a tile, and begin to encode them."""
        config = self.run.config
        images = np.zeros((len(tile.cells), config.height, config.width, 3), np.uint8)
        drawn = DrawnTile([], images, [])
        for batch in self.drawer.batches(tile, self.prompts):
            for cell in batch:
                self._add(drawn, cell, tile.cells[len(drawn.cells)][0])
        return drawn

    def _add(self, drawn: DrawnTile, cell: CellImage, prompt_id: str) -> None:
        """Add a cell to a tile; its pixels move into the tile's array, and its batch is freed."""
        if cell.pixels is not None:
            pixels = drawn.images[len(drawn.cells)]
            pixels[:] = cell.pixels
            cell = replace(cell, pixels=pixels)
        drawn.cells.append(cell)
        work = partial(encode, cell, self.run.recipe.codec, keep=prompt_id in self.kept_prompts)
        drawn.encoded.append(self.encoders.submit(work).result if self.encoders else work)


def load_run(run: Run, encoders: int) -> Loaded:
    """Load the model and read what it draws.

    Args:
        run: The run.
        encoders: Threads that encode images while the next batch is drawn; 0 to encode afterwards.

    Raises:
        GoldenseedError: If the run cannot be drawn with what is there.
    """
    prompts, recipe = run.prompts, run.recipe
    condition_images = Conditions(run.root / FOLDER)
    size = (run.config.width, run.config.height)
    check_conditions(run.card, prompts.values(), condition_images, size)
    model = load_model(run)
    if isinstance(model, ChecksPrompts):
        model.check_prompts(prompts.values())
    negative = run.config.negative_prompt
    refuse_unread_negatives(model, prompts.values(), run.card)
    if recipe.long_prompts == "refuse":
        refuse_long(model, texts_of(prompts.values()), negative)
    group = group_size(run.config.intervention.name)
    return Loaded(
        run=run,
        drawer=Drawer(model, run.config.batch_size, group, condition_images, recipe.keep_latents),
        prompts=prompts,
        condition_images=condition_images,
        kept_prompts=run.kept_prompts(),
        negative_cut=model.truncated_tokens(negative) if negative else 0,
        encoders=ThreadPoolExecutor(encoders, "encode") if encoders else None,
    )


def load_model(run: Run) -> Model:
    """Load the run's model with its intervention.

    Raises:
        GoldenseedError: If the files are not those that the run began with, or do not load, or
            the family is a user's own and lacks a method.
    """
    card = run.card
    resolved = resolve(card, run.config.revision)
    if resolved.sha256 != run.config.card_sha256:
        raise RunError(
            f"the files of card {card.name} in {resolved.folder} are not those that "
            f"{run.root} began with; bring back those files, or start a new run"
        )
    family: type[Model] = load(models.MODELS, card.family, "model family")
    if not hasattr(family, "truncated_tokens"):
        raise ConfigError(
            f"model family {card.family} has no method truncated_tokens(text); it was once called "
            f"truncated(text): rename it in {family.__module__}"
        )
    source_sha256 = own_source_sha256(models.MODELS, card.family, "model family")
    _refuse_changed_source(run, card.family, source_sha256, run.config.family_sha256)
    return with_kernels(family(card, resolved, run.config, load_intervention(run)), run.config)


def _refuse_changed_source(run: Run, name: str, current: str, recorded: str) -> None:
    if current != recorded:
        raise RunError(
            f"the source file of {name} is not the one that {run.root} began with; bring back "
            f"that file, or start a new run"
        )


def load_intervention(run: Run) -> Intervention:
    """Make the run's intervention.

    Raises:
        RunError: If its version, source or weights are not those that the run began with.
        ConfigError: If its parameters are unknown or out of range.
    """
    recorded = run.config.intervention
    current = recorded.with_source()
    if current.code_version != recorded.code_version:
        raise RunError(
            f"{run.root} began with version {recorded.code_version} of {recorded.name}, and this "
            f"goldenseed has version {current.code_version}, which draws other images; start a new "
            f"run"
        )
    _refuse_changed_source(run, recorded.name, current.source_sha256, recorded.source_sha256)
    if current.weights_sha256 != recorded.weights_sha256:
        raise RunError(
            f"the weights of {recorded.name} are not those that {run.root} began with; bring back "
            f"those weights, or start a new run"
        )
    return make_intervention(recorded)
