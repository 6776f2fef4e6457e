"""The stage that draws a tile and commits it as an image shard."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import models
from pipeline.cards.card import resolve
from pipeline.drawing.canary import check_canary, check_token, provenance
from pipeline.drawing.latents import commit_latents
from pipeline.drawing.long_texts import refuse_long, texts_of
from pipeline.drawing.tile import CellImage, draw_tile
from pipeline.errors import ConfigError, RunError
from pipeline.interventions.base import Intervention
from pipeline.models.base import ChecksPrompts, Model, refuse_unread_negatives
from pipeline.prompts.conditions import FOLDER, Conditions, check_conditions
from pipeline.prompts.prompt_sets import Prompt
from pipeline.registry import load
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.runs.sampling import make_intervention
from pipeline.settings.config import own_source_sha256
from pipeline.settings.groups import group_size
from pipeline.settings.recipe import Recipe
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, Uint8Images, combine_resources
from pipeline.storage.codec import Codec, encode_image
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGES, PROMPT_LABELS, STATUS_OK


@dataclass
class GenerateStage:
    """Draws the tiles of one run.

    Attributes:
        run_root: The run folder, as each actor must see it.
        token: The text that its token file must hold.
        resources: The resources of one actor.
        recipe: The recipe of the command that draws.
        sinks: They take each shard that was drawn, while its pixels are in memory.
    """

    run_root: str
    token: str
    resources: Resources
    recipe: Recipe
    sinks: Sequence[Sink] = ()
    name: str = "generate"
    _loaded: "_Loaded | None" = field(default=None, repr=False)

    def setup(self) -> None:
        """Load the model and draw the canary.

        Raises:
            GoldenseedError: If this actor cannot draw the run's images.
        """
        check_token(self.run_root, self.token)
        self._loaded = _load(Run.open(self.run_root, self.recipe))
        check_canary(self._loaded.run, self._loaded.model, self._loaded.condition_images)
        for sink in self.sinks:
            sink.setup()

    def run(self, task: Tile) -> Outcome:
        """Draw and commit one tile; a tile that is complete is left alone."""
        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() comes before run()")
        started = time.perf_counter()
        receipt = loaded.receipt(task)
        if receipt is not None:
            return Outcome(task.id, receipt.rows, receipt.failed, time.perf_counter() - started)
        cells = loaded.draw(task)
        failed = sum(cell.status != STATUS_OK for cell in cells)
        self._commit(loaded, task, cells, failed=failed, started=started)
        return Outcome(
            task.id,
            len(cells),
            failed,
            time.perf_counter() - started,
            truncated_prompts=_truncated_prompts(loaded, task, cells),
        )

    def _commit(
        self,
        loaded: "_Loaded",
        tile: Tile,
        cells: Sequence[CellImage],
        *,
        failed: int,
        started: float,
    ) -> None:
        """Commit the images and the kept latents of a tile, and pass the pixels to the sinks."""
        table, images = _to_table(loaded, tile, cells)
        receipt, same = loaded.run.images.commit(
            tile.id,
            tile.block,
            table,
            run_id=loaded.run.run_id,
            failed=failed,
            provenance=provenance(loaded.run, time.perf_counter() - started),
        )
        if loaded.keep_latents != "none":
            latents = [cell.latents for cell in cells]
            commit_latents(loaded.run, tile, latents, source_sha256=receipt.content_sha256)
        if same:  # otherwise another attempt won with other pixels
            rows = table.drop_columns(["image"])
            self._pass_on(DrawnShard(tile.id, tile.block, receipt.content_sha256, rows, images))

    def _pass_on(self, shard: DrawnShard) -> None:
        for sink in self.sinks:
            if sink.wants(shard.shard_id, shard.block):
                sink.take(shard)


@dataclass(frozen=True)
class _Loaded:
    """What an actor holds after `setup`."""

    run: Run
    model: Model
    prompts: Mapping[str, Prompt]
    condition_images: Conditions
    kept_prompts: frozenset[str]
    codec: Codec
    keep_latents: str
    negative_cut: int

    def cut_of(self, prompt_id: str) -> int:
        """Tokens of the run's negative prompt that are cut off, if the prompt has none itself."""
        return 0 if self.prompts[prompt_id].negative else self.negative_cut

    def receipt(self, tile: Tile) -> Receipt | None:
        """The receipt of a tile's images; None unless all that is kept of the tile is there."""
        receipt = self.run.images.receipt(tile.id, tile.block)
        if receipt is None or not self.run.images.intact(receipt):
            return None
        has_latents = self.keep_latents == "none" or self.run.latents.has(
            tile.id, tile.block, receipt.content_sha256
        )
        return receipt if has_latents else None

    def draw(self, tile: Tile) -> list[CellImage]:
        """Draw all cells of a tile."""
        return draw_tile(
            self.model,
            tile,
            self.prompts,
            self.run.config.batch_size,
            group=group_size(self.run.config.intervention.name),
            condition_images=self.condition_images,
            keep_latents=self.keep_latents,
        )


def _load(run: Run) -> _Loaded:
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
    return _Loaded(
        run=run,
        model=model,
        prompts=prompts,
        condition_images=condition_images,
        kept_prompts=run.kept_prompts(),
        codec=recipe.codec,
        keep_latents=recipe.keep_latents,
        negative_cut=model.truncated_tokens(negative) if negative else 0,
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
    return family(card, resolved, run.config, load_intervention(run))


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


def _truncated_prompts(loaded: _Loaded, tile: Tile, cells: Sequence[CellImage]) -> tuple[str, ...]:
    """Ids of the tile's prompts that a text encoder cut off, or whose negative prompt it did."""
    pairs = zip(tile.cells, cells, strict=True)
    cut = {key for (key, _), cell in pairs if cell.truncated_tokens + loaded.cut_of(key)}
    return tuple(sorted(cut))


def _to_table(
    loaded: _Loaded, tile: Tile, cells: Sequence[CellImage]
) -> tuple[pa.Table, Uint8Images]:
    """The rows of the shard, and the pixels aligned with them."""
    config = loaded.run.config
    images = np.zeros((len(cells), config.height, config.width, 3), np.uint8)
    rows = []
    for index, ((prompt_id, seed), cell) in enumerate(zip(tile.cells, cells, strict=True)):
        if cell.pixels is not None:
            images[index] = cell.pixels
        prompt = loaded.prompts[prompt_id]
        blob = None
        if cell.pixels is not None and prompt_id in loaded.kept_prompts:
            blob = {"bytes": encode_image(cell.pixels, loaded.codec), "path": None}
        rows.append(_row(prompt, seed, cell, blob, loaded.cut_of(prompt_id)))
    return pa.Table.from_pylist(rows, schema=IMAGES.arrow()), images


def _row(
    prompt: Prompt,
    seed: int,
    cell: CellImage,
    blob: Any,  # noqa: ANN401
    negative_cut: int,
) -> dict[str, Any]:
    pixels = cell.pixels
    return {
        "prompt_id": prompt.id,
        "seed": seed,
        "text": prompt.text,
        "object": prompt.object,
        "modifier": prompt.modifier,
        "group": prompt.group,
        "set": prompt.set,
        "prompt_image": prompt.image,
        "prompt_mask": prompt.mask,
        **{column.name: getattr(prompt, column.name) for column in PROMPT_LABELS},
        "image": blob,
        "image_sha256": None if pixels is None else hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": cell.status,
        "reason": cell.reason,
        "constant": None if pixels is None else bool((pixels == pixels[0, 0]).all()),
        "truncated_tokens": cell.truncated_tokens + negative_cut,
        "micro_batch": cell.micro_batch,
    }


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """Make the stage that draws a run, with the resources that its card and its sinks need."""
    gpus = run.recipe.gpus_per_worker if run.card.gpu else 0.0
    drawing = Resources(cpus=run.recipe.cpus_per_worker, gpus=gpus)
    resources = combine_resources([drawing, *(sink.resources for sink in sinks)])
    return GenerateStage(str(run.root), run.read_token(), resources, run.recipe, tuple(sinks))
