"""The stage that draws a tile and commits it as an image shard."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import models
from pipeline.cards.card import resolve
from pipeline.drawing.canary import check_canary, check_token, provenance
from pipeline.drawing.latents import commit_latents
from pipeline.drawing.tile import CellImage, draw_tile
from pipeline.errors import PromptError, RunError
from pipeline.interventions.base import Intervention
from pipeline.models.base import ChecksPrompts, Model
from pipeline.prompts.conditions import FOLDER, Conditions, check_conditions
from pipeline.prompts.prompt_sets import Prompt
from pipeline.registry import load
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.settings.config import own_source_sha256
from pipeline.settings.groups import group_size
from pipeline.settings.sampling import make_intervention
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, Uint8Images, combine_resources
from pipeline.storage.codec import Codec, encode_image
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGES, STATUS_OK


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
        check_canary(self._loaded.run, self._loaded.model, self._loaded.condition_images)
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
            condition_images=loaded.condition_images,
            keep_latents=loaded.keep_latents,
        )
        table, images = _to_table(loaded, task, drawn)
        failed = sum(cell.status != STATUS_OK for cell in drawn)
        receipt, same = loaded.run.images.commit(
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
        if same:  # otherwise another attempt won with other pixels
            rows = table.drop_columns(["image"])
            self._hand_on(DrawnShard(task.id, task.block, receipt.content_sha256, rows, images))
        truncated_prompts = {
            prompt_id
            for (prompt_id, _), image in zip(task.cells, drawn, strict=True)
            if image.truncated_tokens
        }
        return Outcome(
            task.id,
            len(drawn),
            failed,
            time.perf_counter() - started,
            truncated=tuple(sorted(truncated_prompts)),
        )

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
    condition_images: Conditions
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
    condition_images = Conditions(run.root / FOLDER)
    size = (run.config.width, run.config.height)
    check_conditions(run.card, prompts.values(), condition_images, size)
    model = load_model(run)
    if isinstance(model, ChecksPrompts):
        model.check_prompts(prompts.values())
    if recipe.long_prompts == "refuse":
        _refuse_long(model, prompts.values())
    return _Loaded(
        run=run,
        model=model,
        prompts=prompts,
        condition_images=condition_images,
        kept=run.kept_prompts(),
        codec=recipe.codec,
        keep_latents=recipe.keep_latents,
    )


def _refuse_long(model: Model, prompts: Iterable[Prompt]) -> None:
    """Refuse prompts whose end would be cut off; says how many, and which is the first.

    Raises:
        PromptError: If there is one.
    """
    tokens = {prompt.text: model.truncated_tokens(prompt.text) for prompt in prompts}
    long = {text: count for text, count in tokens.items() if count > 0}
    if long:
        text, count = next(iter(long.items()))
        raise PromptError(
            f"{len(long):,} prompt(s) are longer than the text encoder reads: the end of "
            f"{text[:60]!r} is {count} token(s) too long. Shorten them, or set `long_prompts: cut` "
            "in the recipe to draw them cut, with the tokens cut off counted in every row"
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
    return family(card, resolved, run.config, load_intervention(run))


def _refuse_changed_source(run: Run, name: str, now: str, begun: str) -> None:
    if now != begun:
        raise RunError(
            f"the source file of {name} is not the one that {run.root} was begun with; bring "
            f"that back, or start a new run"
        )


def load_intervention(run: Run) -> Intervention:
    """The run's intervention.

    Raises:
        RunError: If its source or its weights are not those the run began with.
        ConfigError: If its parameters are not those it knows.
    """
    chosen = run.config.intervention
    now = chosen.with_source()
    _refuse_changed_source(run, chosen.name, now.source_sha256, chosen.source_sha256)
    if now.weights_sha256 != chosen.weights_sha256:
        raise RunError(
            f"the weights of {chosen.name} are not those that {run.root} was begun with; bring "
            f"those back, or start a new run"
        )
    return make_intervention(chosen)


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
        "truncated_tokens": cell.truncated_tokens,
        "micro_batch": cell.micro_batch,
    }


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """The stage that draws a run, with the resources that its card and its sinks ask for."""
    own = Resources(cpus=1.0, gpus=1.0 if run.card.gpu else 0.0)
    resources = combine_resources([own, *(sink.resources for sink in sinks)])
    return GenerateStage(str(run.root), run.read_token(), resources, tuple(sinks))
