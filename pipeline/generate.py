"""The stage that draws a tile and commits it as an image shard."""

import base64
import hashlib
import io
import json
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from pipeline import interventions, models
from pipeline.cards import resolve
from pipeline.errors import GoldenseedError, RunError, ShardError
from pipeline.grid import Tile
from pipeline.interventions.base import Intervention
from pipeline.models.base import Batch, Drawn, Model
from pipeline.prompt_sets import Prompt
from pipeline.registry import load
from pipeline.runs import TOKEN_FILE, Run, utc_now
from pipeline.schema import IMAGES, STATUS_FAILED, STATUS_FLAGGED, STATUS_NONFINITE, STATUS_OK
from pipeline.stage import DrawnShard, Outcome, Resources, Sink, Uint8Images

LOGGER = logging.getLogger(__name__)

CANARY_FILE = "canary.json"
CANARY_TOLERANCE = {"float32": 1, "float16": 16, "bfloat16": 32}
"""Largest difference of a canary's pixel, of 255, between two actors of a run, by dtype."""

Codec = Literal["webp", "png"]


@dataclass(frozen=True)
class CellImage:
    """A drawn cell.

    Attributes:
        pixels: (H, W, 3) uint8, or None if there is no usable image.
        status: One of `schema`'s.
        reason: Why it is not ok.
        truncated: Tokens cut off the prompt.
        micro_batch: Images drawn together with it, itself included.
    """

    pixels: Uint8Images | None
    status: str
    reason: str | None
    truncated: int
    micro_batch: int


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
        _check_canary(self._loaded)
        for sink in self.sinks:
            sink.setup()

    def run(self, task: Tile) -> Outcome:
        """Draw and commit one tile; a tile that is already there is left alone."""
        loaded = self._loaded
        if loaded is None:
            raise RuntimeError("setup() comes before run()")
        started = time.perf_counter()
        drawn = draw_tile(loaded.model, task, loaded.prompts, loaded.run.config.batch_size)
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
        rows = table.drop_columns(["image"])
        shard = DrawnShard(task.id, task.block, receipt.content_sha256, rows, images)
        for sink in self.sinks:
            if sink.wants(task.id, task.block):
                sink.take(shard)
        cut = {cell[0] for cell, image in zip(task.cells, drawn, strict=True) if image.truncated}
        seconds = time.perf_counter() - started
        return Outcome(task.id, len(drawn), failed, seconds, truncated=tuple(sorted(cut)))


@dataclass(frozen=True)
class _Loaded:
    """What an actor holds after `setup`."""

    run: Run
    model: Model
    prompts: Mapping[str, Prompt]
    kept: frozenset[str]
    codec: Codec


def _load(run: Run) -> _Loaded:
    prompts, recipe = run.prompts, run.recipe
    keep = {"all": len(prompts), "none": 0}.get(str(recipe.keep_images), recipe.keep_images)
    return _Loaded(
        run=run,
        model=load_model(run),
        prompts=prompts,
        kept=frozenset(list(prompts)[: int(keep)]),
        codec=recipe.codec,
    )


def load_model(run: Run) -> Model:
    """Load the run's model with its intervention.

    Raises:
        GoldenseedError: If the files are not those the run began with, or do not load.
    """
    card = run.card
    resolved = resolve(card)
    if resolved.sha256 != run.config.card_sha256:
        raise RunError(
            f"the files of card {card.name} in {resolved.folder} are not those that "
            f"{run.root} was begun with; bring those back, or start a new run"
        )
    family: type[Model] = load(models.MODELS, card.family, "model family")
    return family(card, resolved, run.config, make_intervention(run))


def make_intervention(run: Run) -> Intervention:
    """The run's intervention.

    Raises:
        RunError: If its parameters are not those it knows.
    """
    chosen = run.config.intervention
    kind = load(interventions.INTERVENTIONS, chosen.name, "intervention", base=Intervention)
    try:
        made: Intervention = kind(chosen.parameters)
    except (TypeError, ValueError) as error:
        raise RunError(f"intervention {chosen.name}: {error}") from error
    return made


def draw_tile(
    model: Model, tile: Tile, prompts: Mapping[str, Prompt], batch_size: int
) -> list[CellImage]:
    """Draw all cells of a tile in batches of one fixed shape.

    The last batch is padded with its last cell: the company of an image moves the last bits
    of its floats, so the shape must not depend on where a tile ends.

    Raises:
        RuntimeError: If every single cell fails; that is no property of a cell.
    """
    cells = [(prompts[prompt_id], seed) for prompt_id, seed in tile.cells]
    images: list[CellImage] = []
    for start in range(0, len(cells), batch_size):
        wanted = cells[start : start + batch_size]
        padded = wanted + [wanted[-1]] * (batch_size - len(wanted))
        images += _draw(model, padded)[: len(wanted)]
    if all(image.status == STATUS_FAILED for image in images):
        raise RuntimeError(f"every cell of tile {tile.id} failed: {images[0].reason}")
    return images


def _draw(model: Model, cells: Sequence[tuple[Prompt, int]]) -> list[CellImage]:
    """Draw cells together; where that fails, in halves, down to the cell that is to blame."""
    prompts, seeds = zip(*cells, strict=True)
    try:
        drawn = model.generate(Batch(prompts, seeds))
    except GoldenseedError:
        raise
    except Exception as error:
        if "CUDA error" in str(error):
            raise  # a CUDA error stays: the executor takes a new process
        if len(cells) == 1:
            return [CellImage(None, STATUS_FAILED, f"{type(error).__name__}: {error}", 0, 1)]
        LOGGER.info("batch of %d failed (%s), trying halves", len(cells), error)
        half = len(cells) // 2
        return _draw(model, cells[:half]) + _draw(model, cells[half:])
    return [_cell_image(drawn, index) for index in range(len(cells))]


def _cell_image(drawn: Drawn, index: int) -> CellImage:
    truncated, together = int(drawn.truncated_tokens[index]), len(drawn.images)
    if not drawn.finite[index]:
        reason = "the decoder gave NaN or infinity"
        return CellImage(None, STATUS_NONFINITE, reason, truncated, together)
    if drawn.flagged[index]:
        reason = "the safety checker replaced the image"
        return CellImage(None, STATUS_FLAGGED, reason, truncated, together)
    return CellImage(drawn.images[index], STATUS_OK, None, truncated, together)


def encode_image(pixels: Uint8Images, codec: Codec) -> bytes:
    """Losslessly encode one image.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        codec: "webp" (lossless, method 0: an eighth of PNG's time at 0.9 of its size) or "png".

    Raises:
        ShardError: If what was encoded does not decode to the same pixels.

    Example:
        >>> blob = encode_image(np.zeros((8, 8, 3), np.uint8), "webp")
        >>> Image.open(io.BytesIO(blob)).size
        (8, 8)
    """
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if codec == "webp":
        image.save(buffer, "WEBP", lossless=True, quality=0, method=0)
    else:
        image.save(buffer, "PNG", compress_level=1)
    decoded = Image.open(io.BytesIO(buffer.getvalue()), formats=[codec.upper()])
    if not np.array_equal(np.asarray(decoded.convert("RGB")), pixels):
        raise ShardError(f"{codec} did not give the same pixels back")
    return buffer.getvalue()


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


def check_token(run_root: str, token: str) -> None:
    """Make sure that this process sees the driver's folder and not one of the same name.

    Raises:
        RunError: If it does not; the message names the machine.
    """
    path = Path(run_root) / TOKEN_FILE
    if not path.is_file() or path.read_text() != token:
        raise RunError(
            f"{run_root} is not the same folder on {platform.node()} as where the run was "
            f"started; put the run on a disk that all machines share (--out)"
        )


def _check_canary(loaded: _Loaded) -> None:
    """Draw one cell and compare it with the run's, which the first actor writes.

    Raises:
        RunError: If this actor draws another picture than the first one did.
    """
    run = loaded.run
    tile = next(run.tiles())
    prompt_id, seed = tile.cells[0]
    size = run.config.batch_size if run.config.compiled else 1
    prompt = loaded.prompts[prompt_id]
    drawn = loaded.model.generate(Batch((prompt,) * size, (seed,) * size))
    if not drawn.finite[0]:
        return
    pixels = drawn.images[0]
    value = {
        "prompt_id": prompt_id,
        "seed": seed,
        "pixels": base64.b64encode(encode_image(pixels, "png")).decode(),
        **provenance(run, 0.0),
    }
    if run.store.put_if_absent(CANARY_FILE, json.dumps(value, indent=1).encode()):
        return
    first = json.loads(run.store.read(CANARY_FILE))
    blob = base64.b64decode(first["pixels"])
    theirs = np.asarray(Image.open(io.BytesIO(blob), formats=["PNG"])).astype(int)
    worst = int(abs(theirs - pixels.astype(int)).max())
    if worst > CANARY_TOLERANCE[run.config.dtype]:
        raise RunError(
            f"this machine ({platform.node()}, {_device_name()}) draws the run's canary cell "
            f"{worst} of 255 away from the first actor ({first['host']}, {first['device']}): "
            f"its images would not be the run's"
        )


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()


def provenance(run: Run, seconds: float) -> dict[str, Any]:
    """Where, when and with what a shard was made. Never part of an identity."""
    return {
        "created": utc_now(),
        "host": platform.node(),
        "device": _device_name(),
        "card": run.config.card,
        "revision": run.config.revision,
        "seconds": round(seconds, 3),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def generate_stage(run: Run, sinks: Sequence[Sink] = ()) -> GenerateStage:
    """The stage that draws a run, with the resources its card asks for."""
    resources = Resources(cpus=1.0, gpus=1.0 if run.card.gpu else 0.0)
    return GenerateStage(str(run.root), run.token, resources, tuple(sinks))
