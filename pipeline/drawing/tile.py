"""Draws the cells of a tile in batches of one fixed shape; a batch that fails is halved."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from PIL import Image

from pipeline.batch import Batch, Drawn, Kept
from pipeline.errors import GoldenseedError, ModelError
from pipeline.models.base import Model
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.stage import Uint8Images
from pipeline.storage.schema import STATUS_FAILED, STATUS_FLAGGED, STATUS_NONFINITE, STATUS_OK

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellImage:
    """A drawn cell.

    Attributes:
        pixels: (H, W, 3) uint8, or None if there is no usable image.
        status: One of the statuses in `schema`.
        reason: Why the status is not ok.
        truncated_tokens: Tokens cut off the prompt.
        micro_batch: Images drawn together with it, itself included.
        latents: Step -> (C, h, w) float32: the latents to be kept.
    """

    pixels: Uint8Images | None
    status: str
    reason: str | None
    truncated_tokens: int
    micro_batch: int
    latents: Kept = field(default_factory=dict)


def draw_tile(
    model: Model,
    tile: Tile,
    prompts: Mapping[str, Prompt],
    batch_size: int,
    *,
    group: int = 1,
    condition_images: Mapping[str, Image.Image] = MappingProxyType({}),
    keep_latents: str = "none",
) -> list[CellImage]:
    """Draw all cells of a tile in batches of one fixed shape.

    The last batch is padded with its last cell. The size of a batch changes the last bits of the
    floats of an image, so it must not depend on where a tile ends.

    Args:
        model: The model.
        tile: The cells.
        prompts: All prompts of the tile, by id.
        batch_size: Images drawn together, a multiple of `group`.
        group: Consecutive cells that the intervention needs together; a tile holds a whole number
            of groups.
        condition_images: The prompts' condition images.
        keep_latents: "none", "last" or "all".

    Raises:
        ModelError: If latents are to be kept and the model's family cannot keep them.
        RuntimeError: If all cells fail: then the cause is not in the cells.
    """
    cells = [(prompts[prompt_id], seed) for prompt_id, seed in tile.cells]
    images: list[CellImage] = []
    for start in range(0, len(cells), batch_size):
        wanted = cells[start : start + batch_size]
        padded = wanted + wanted[-group:] * ((batch_size - len(wanted)) // group)
        images += _draw(model, padded, condition_images, group, keep_latents)[: len(wanted)]
    if all(image.status == STATUS_FAILED for image in images):
        raise RuntimeError(f"every cell of tile {tile.id} failed: {images[0].reason}")
    return images


def _draw(
    model: Model,
    cells: Sequence[tuple[Prompt, int]],
    condition_images: Mapping[str, Image.Image],
    group: int,
    keep_latents: str,
) -> list[CellImage]:
    """Draw cells together; if that fails, in halves, down to the group that causes the failure."""
    prompts, seeds = zip(*cells, strict=True)
    try:
        drawn = model.generate(Batch(prompts, seeds, condition_images, keep_latents))
    except GoldenseedError:
        raise
    except Exception as error:
        if "CUDA error" in str(error):
            raise  # a CUDA error stays: the executor starts a new process
        if len(cells) <= group:
            reason = f"{type(error).__name__}: {error}"
            return [CellImage(None, STATUS_FAILED, reason, 0, len(cells))] * len(cells)
        LOGGER.info("batch of %d failed (%s), trying halves", len(cells), error)
        half = len(cells) // group // 2 * group
        halves = (cells[:half], cells[half:])
        drawn_halves = [
            _draw(model, part, condition_images, group, keep_latents) for part in halves
        ]
        return [image for part in drawn_halves for image in part]
    if keep_latents != "none" and not drawn.latents:
        raise ModelError(
            f"{type(model).__name__} cannot keep latents, only the stable_diffusion family can: "
            f"remove `keep_latents` from the recipe"
        )
    return [_cell_image(drawn, index) for index in range(len(cells))]


def _cell_image(drawn: Drawn, index: int) -> CellImage:
    truncated_tokens, together = int(drawn.truncated_tokens[index]), len(drawn.images)
    if not drawn.finite[index]:
        reason = "the decoder gave NaN or infinity"
        return CellImage(None, STATUS_NONFINITE, reason, truncated_tokens, together)
    if drawn.flagged[index]:
        reason = "the safety checker replaced the image"
        return CellImage(None, STATUS_FLAGGED, reason, truncated_tokens, together)
    latents = {step: values[index] for step, values in drawn.latents.items()}
    return CellImage(drawn.images[index], STATUS_OK, None, truncated_tokens, together, latents)
