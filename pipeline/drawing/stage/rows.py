"""The rows of an image shard, one for each cell of a tile."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.drawing.stage.loading import Loaded
from pipeline.drawing.tile import CellImage
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.stage import Uint8Images
from pipeline.storage.codec import encode_image
from pipeline.storage.schema import IMAGES, PROMPT_LABELS


def truncated_prompts(loaded: Loaded, tile: Tile, cells: Sequence[CellImage]) -> tuple[str, ...]:
    """Ids of the tile's prompts that a text encoder cut off, or whose negative prompt it did."""
    pairs = zip(tile.cells, cells, strict=True)
    cut = {key for (key, _), cell in pairs if cell.truncated_tokens + loaded.cut_of(key)}
    return tuple(sorted(cut))


def to_table(
    loaded: Loaded, tile: Tile, cells: Sequence[CellImage]
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
