"""Draws the cells of a tile in batches of one fixed shape; a batch that fails is halved."""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image

from pipeline.batch import Batch, Drawn, Kept
from pipeline.errors import GoldenseedError, ModelError
from pipeline.models.base import Model
from pipeline.prompts.prompt_sets import Prompt
from pipeline.redact import redact
from pipeline.runs.grid import Tile
from pipeline.stage import Uint8Images
from pipeline.storage.schema import STATUS_FAILED, STATUS_FLAGGED, STATUS_NONFINITE, STATUS_OK

LOGGER = logging.getLogger(__name__)

Cell = tuple[Prompt, int]
"""A prompt and a seed."""


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


@dataclass
class Drawer:
    """Draws tiles with a model, in batches of one fixed shape.

    The size of a batch changes the last bits of the floats of an image, so it must not depend on
    where a tile ends: the last batch is padded with its last cells. If a batch does not fit into
    memory, it and all later ones are drawn in parts of the largest size that fits.

    Attributes:
        model: The model.
        batch_size: Images drawn together, a multiple of `group`.
        group: Consecutive cells that the intervention needs together; a tile holds a whole number
            of groups.
        condition_images: The prompts' condition images.
        keep_latents: "none", "last" or "all".
    """

    model: Model
    batch_size: int
    group: int = 1
    condition_images: Mapping[str, Image.Image] = field(default_factory=dict)
    keep_latents: str = "none"

    def __post_init__(self) -> None:
        self._fits = self.batch_size

    def batches(self, tile: Tile, prompts: Mapping[str, Prompt]) -> Iterator[list[CellImage]]:
        """Draw all cells of a tile; yield them batch by batch, in the tile's order.

        Args:
            tile: The cells.
            prompts: All prompts of the tile, by id.

        Raises:
            ModelError: If latents are to be kept and the model's family cannot keep them.
            RuntimeError: If all cells fail: then the cause is not in the cells.
        """
        cells = [(prompts[prompt_id], seed) for prompt_id, seed in tile.cells]
        all_failed = True
        for start in range(0, len(cells), self.batch_size):
            wanted = cells[start : start + self.batch_size]
            missing = (self.batch_size - len(wanted)) // self.group
            images = self._draw(wanted + wanted[-self.group :] * missing)[: len(wanted)]
            all_failed &= all(image.status == STATUS_FAILED for image in images)
            last_reason = images[-1].reason
            yield images
        if all_failed:
            raise RuntimeError(f"every cell of tile {tile.id} failed: {last_reason}")

    def _draw(self, cells: Sequence[Cell]) -> list[CellImage]:
        """Draw cells together; if that fails, in halves, down to the group that causes it."""
        if len(cells) > self._fits:
            return self._draw_halves(cells)
        drawn = self._try(cells)
        if not isinstance(drawn, _Failure):
            return drawn
        # The error and its traceback are gone here, and with them the tensors of the failed batch.
        if drawn.is_memory:
            _free_memory()
        if len(cells) <= self.group:
            return [CellImage(None, STATUS_FAILED, drawn.reason, 0, len(cells))] * len(cells)
        LOGGER.info("batch of %d failed (%s), trying halves", len(cells), drawn.reason)
        if drawn.is_memory:
            self._shrink(len(cells))
        return self._draw_halves(cells)

    def _draw_halves(self, cells: Sequence[Cell]) -> list[CellImage]:
        half = _half(len(cells), self.group)
        return [*self._draw(cells[:half]), *self._draw(cells[half:])]

    def _shrink(self, size: int) -> None:
        """Remember that a batch of this size does not fit."""
        self._fits = size - _half(size, self.group)
        LOGGER.warning(
            "a batch of %d images does not fit into memory: from now on, %d are drawn together "
            "(column micro_batch); a smaller batch_size in the recipe avoids the first failure",
            size,
            self._fits,
        )

    def _try(self, cells: Sequence[Cell]) -> "list[CellImage] | _Failure":
        prompts, seeds = zip(*cells, strict=True)
        batch = Batch(prompts, seeds, self.condition_images, self.keep_latents)
        try:
            drawn = self.model.generate(batch)
        except GoldenseedError:
            raise
        except Exception as error:
            if "CUDA error" in str(error):
                raise  # a CUDA error stays: the executor starts a new process
            return _Failure(redact(f"{type(error).__name__}: {error}"), _is_memory(error))
        if self.keep_latents != "none" and not drawn.latents:
            raise ModelError(
                f"{type(self.model).__name__} cannot keep latents, only the stable_diffusion "
                f"family can: remove `keep_latents` from the recipe"
            )
        return [_cell_image(drawn, index) for index in range(len(cells))]


@dataclass(frozen=True)
class _Failure:
    """Why a batch was not drawn; it holds no reference to the error, so memory can be freed."""

    reason: str
    is_memory: bool


def _half(size: int, group: int) -> int:
    return size // group // 2 * group


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "can't allocate memory" in str(error)
    )


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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
