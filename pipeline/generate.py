"""The stage that draws a tile and commits it as an image shard."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline import interventions, models
from pipeline.canary import check_canary, check_token, provenance
from pipeline.cards import resolve
from pipeline.codec import Codec, encode_image
from pipeline.conditions import FOLDER, Conditions, check_conditions
from pipeline.config import own_source_sha256
from pipeline.errors import GoldenseedError, ModelError, RunError
from pipeline.grid import Tile
from pipeline.groups import group_size
from pipeline.interventions.base import Intervention
from pipeline.latents import Kept, commit_latents
from pipeline.models.base import Batch, Drawn, Model
from pipeline.prompt_sets import Prompt
from pipeline.receipts import Receipt
from pipeline.registry import load
from pipeline.runs import Run
from pipeline.schema import (
    IMAGE_CONTENT,
    IMAGES,
    STATUS_FAILED,
    STATUS_FLAGGED,
    STATUS_NONFINITE,
    STATUS_OK,
)
from pipeline.shards import content_sha256
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, Uint8Images

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellImage:
    """A drawn cell.

    Attributes:
        pixels: (H, W, 3) uint8, or None if there is no usable image.
        status: One of `schema`'s.
        reason: Why it is not ok.
        truncated: Tokens cut off the prompt.
        micro_batch: Images drawn together with it, itself included.
        latents: Step -> (C, h, w) float32, those that are to be kept.
    """

    pixels: Uint8Images | None
    status: str
    reason: str | None
    truncated: int
    micro_batch: int
    latents: Kept = field(default_factory=dict)


@dataclass
class GenerateStage:
    """Draws tiles of one run.

    Attributes:
        run_root: The run folder, as every actor must see it.
        token: What its token file must say.
        resources: What an actor needs.
        sinks: Take every shard that was drawn, while its pixels are in memory.
    """

    run_root: str
    token: str
    resources: Resources
    sinks: Sequence[Sink] = ()
    name: str = "generate"
    _loaded: "_Loaded | None" = field(default=None, repr=False)

    def setup(self) -> None:
        """Load the model and draw the canary.

        Raises:
            GoldenseedError: If this actor cannot draw the run's images.
        """
        check_token(self.run_root, self.token)
        self._loaded = _load(Run.open(self.run_root))
        check_canary(self._loaded.run, self._loaded.model, self._loaded.pictures)
        for sink in self.sinks:
            sink.setup()

    def run(self, task: Tile) -> Outcome:
        """Draw and commit one tile; one that is already there is left alone."""
        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() comes before run()")
        started = time.perf_counter()
        there = loaded.done(task)
        if there is not None:
            return Outcome(task.id, there.rows, there.failed, time.perf_counter() - started)
        drawn = draw_tile(
            loaded.model,
            task,
            loaded.prompts,
            loaded.run.config.batch_size,
            group=group_size(loaded.run.config.intervention.name),
            pictures=loaded.pictures,
            keep_latents=loaded.keep_latents,
        )
        table, images = _to_table(loaded, task, drawn)
        failed = sum(cell.status != STATUS_OK for cell in drawn)
        receipt = loaded.run.images.commit(
            task.id,
            task.block,
            table,
            run_id=loaded.run.run_id,
            failed=failed,
            provenance=provenance(loaded.run, time.perf_counter() - started),
        )
        if loaded.keep_latents != "none":
            kept = [cell.latents for cell in drawn]
            commit_latents(loaded.run, task, kept, source_sha256=receipt.content_sha256)
        # Where another attempt won with other bytes, these pixels are not the shard's.
        if receipt.content_sha256 == content_sha256(table, IMAGE_CONTENT):
            rows = table.drop_columns(["image"])
            self._hand_on(DrawnShard(task.id, task.block, receipt.content_sha256, rows, images))
        cut = {cell[0] for cell, image in zip(task.cells, drawn, strict=True) if image.truncated}
        seconds = time.perf_counter() - started
        return Outcome(task.id, len(drawn), failed, seconds, truncated=tuple(sorted(cut)))

    def _hand_on(self, shard: DrawnShard) -> None:
        for sink in self.sinks:
            if sink.wants(shard.shard_id, shard.block):
                sink.take(shard)


@dataclass(frozen=True)
class _Loaded:
    """What an actor holds after `setup`."""

    run: Run
    model: Model
    prompts: Mapping[str, Prompt]
    pictures: Conditions
    kept: frozenset[str]
    codec: Codec
    keep_latents: str

    def done(self, tile: Tile) -> Receipt | None:
        """The receipt of a tile's images, if everything that is to be kept of it is there."""
        there = self.run.images.receipt(tile.id, tile.block)
        if there is None or not self.run.images.intact(there):
            return None
        latents = self.keep_latents == "none" or self.run.latents.has(
            tile.id, tile.block, there.content_sha256
        )
        return there if latents else None


def _load(run: Run) -> _Loaded:
    prompts, recipe = run.prompts, run.recipe
    pictures = Conditions(run.root / FOLDER)
    size = (run.config.width, run.config.height)
    check_conditions(run.card, prompts.values(), pictures, size)
    keep = {"all": len(prompts), "none": 0}.get(str(recipe.keep_images), recipe.keep_images)
    return _Loaded(
        run=run,
        model=load_model(run),
        prompts=prompts,
        pictures=pictures,
        kept=frozenset(list(prompts)[: int(keep)]),
        codec=recipe.codec,
        keep_latents=recipe.keep_latents,
    )


def load_model(run: Run) -> Model:
    """Load the run's model with its intervention.

    Raises:
        GoldenseedError: If the files are not those the run began with, or do not load.
    """
    card = run.card
    resolved = resolve(card, run.config.revision)
    if resolved.sha256 != run.config.card_sha256:
        raise RunError(
            f"the files of card {card.name} in {resolved.folder} are not those that "
            f"{run.root} was begun with; bring those back, or start a new run"
        )
    family: type[Model] = load(models.MODELS, card.family, "model family")
    own = own_source_sha256(models.MODELS, card.family, "model family")
    _refuse_changed_source(run, card.family, own, run.config.family_sha256)
    return family(card, resolved, run.config, make_intervention(run))


def _refuse_changed_source(run: Run, name: str, now: str, begun: str) -> None:
    if now != begun:
        raise RunError(
            f"the source file of {name} is not the one that {run.root} was begun with; bring "
            f"that back, or start a new run"
        )


def make_intervention(run: Run) -> Intervention:
    """The run's intervention.

    Raises:
        RunError: If its parameters are not those it knows.
    """
    chosen = run.config.intervention
    kind = load(interventions.INTERVENTIONS, chosen.name, "intervention", base=Intervention)
    now = chosen.with_source()
    _refuse_changed_source(run, chosen.name, now.source_sha256, chosen.source_sha256)
    if now.weights_sha256 != chosen.weights_sha256:
        raise RunError(
            f"the weights of {chosen.name} are not those that {run.root} was begun with; bring "
            f"those back, or start a new run"
        )
    try:
        made: Intervention = kind(chosen.parameters)
    except (TypeError, ValueError) as error:
        raise RunError(f"intervention {chosen.name}: {error}") from error
    return made


def draw_tile(
    model: Model,
    tile: Tile,
    prompts: Mapping[str, Prompt],
    batch_size: int,
    *,
    group: int = 1,
    pictures: Mapping[str, Image.Image] = MappingProxyType({}),
    keep_latents: str = "none",
) -> list[CellImage]:
    """Draw all cells of a tile in batches of one fixed shape.

    The last batch is padded with its last cell: the company of an image moves the last bits
    of its floats, so the shape must not depend on where a tile ends.

    Args:
        model: What draws.
        tile: The cells.
        prompts: Every prompt of the tile, by id.
        batch_size: Images drawn together, a multiple of `group`.
        group: Cells in a row that the intervention needs whole; a tile has whole ones only.
        pictures: The prompts' condition pictures.
        keep_latents: "none", "last" or "all".

    Raises:
        ModelError: If latents are to be kept and the model's family gives none.
        RuntimeError: If every single cell fails; that is no property of a cell.
    """
    cells = [(prompts[prompt_id], seed) for prompt_id, seed in tile.cells]
    images: list[CellImage] = []
    for start in range(0, len(cells), batch_size):
        wanted = cells[start : start + batch_size]
        padded = wanted + wanted[-group:] * ((batch_size - len(wanted)) // group)
        images += _draw(model, padded, pictures, group, keep_latents)[: len(wanted)]
    if all(image.status == STATUS_FAILED for image in images):
        raise RuntimeError(f"every cell of tile {tile.id} failed: {images[0].reason}")
    return images


def _draw(
    model: Model,
    cells: Sequence[tuple[Prompt, int]],
    pictures: Mapping[str, Image.Image],
    group: int,
    keep_latents: str,
) -> list[CellImage]:
    """Draw cells together; where that fails, in halves, down to the group that is to blame."""
    prompts, seeds = zip(*cells, strict=True)
    try:
        drawn = model.generate(Batch(prompts, seeds, pictures, keep_latents))
    except GoldenseedError:
        raise
    except Exception as error:
        if "CUDA error" in str(error):
            raise  # a CUDA error stays: the executor takes a new process
        if len(cells) <= group:
            reason = f"{type(error).__name__}: {error}"
            return [CellImage(None, STATUS_FAILED, reason, 0, len(cells))] * len(cells)
        LOGGER.info("batch of %d failed (%s), trying halves", len(cells), error)
        half = len(cells) // group // 2 * group
        parts = (cells[:half], cells[half:])
        halves = [_draw(model, part, pictures, group, keep_latents) for part in parts]
        return [image for part in halves for image in part]
    if keep_latents != "none" and not drawn.latents:
        raise ModelError(
            f"{type(model).__name__} keeps no latents; only the stable_diffusion family does: "
            f"leave `keep_latents` out of the recipe"
        )
    return [_cell_image(drawn, index) for index in range(len(cells))]


def _cell_image(drawn: Drawn, index: int) -> CellImage:
    truncated, together = int(drawn.truncated_tokens[index]), len(drawn.images)
    if not drawn.finite[index]:
        reason = "the decoder gave NaN or infinity"
        return CellImage(None, STATUS_NONFINITE, reason, truncated, together)
    if drawn.flagged[index]:
        reason = "the safety checker replaced the image"
        return CellImage(None, STATUS_FLAGGED, reason, truncated, together)
    latents = {step: values[index] for step, values in drawn.latents.items()}
    return CellImage(drawn.images[index], STATUS_OK, None, truncated, together, latents)


def _to_table(
    loaded: _Loaded, tile: Tile, drawn: Sequence[CellImage]
) -> tuple[pa.Table, Uint8Images]:
    """The shard's rows, and the pixels aligned with them."""
    config = loaded.run.config
    images = np.zeros((len(drawn), config.height, config.width, 3), np.uint8)
    rows = []
    for index, ((prompt_id, seed), cell) in enumerate(zip(tile.cells, drawn, strict=True)):
        if cell.pixels is not None:
            images[index] = cell.pixels
        prompt = loaded.prompts[prompt_id]
        blob = None
        if cell.pixels is not None and prompt_id in loaded.kept:
            blob = {"bytes": encode_image(cell.pixels, loaded.codec), "path": None}
        rows.append(_row(prompt, seed, cell, blob))
    return pa.Table.from_pylist(rows, schema=IMAGES.arrow()), images


def _row(prompt: Prompt, seed: int, cell: CellImage, blob: Any) -> dict[str, Any]:  # noqa: ANN401
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
        "image": blob,
        "image_sha256": None if pixels is None else hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": cell.status,
        "reason": cell.reason,
        "constant": None if pixels is None else bool((pixels == pixels[0, 0]).all()),
        "truncated_tokens": cell.truncated,
        "micro_batch": cell.micro_batch,
    }


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """The stage that draws a run, with the resources its card asks for."""
    resources = Resources(cpus=1.0, gpus=1.0 if run.card.gpu else 0.0)
    return GenerateStage(str(run.root), run.token, resources, tuple(sinks))
