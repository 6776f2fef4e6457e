"""The rows of an image shard: drawn cells, encoded and hashed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.drawing.tile import CellImage
from pipeline.prompts.columns import cell_columns
from pipeline.prompts.prompt_sets import Prompt
from pipeline.storage.codec import Codec, encode_image
from pipeline.storage.schema import IMAGES


@dataclass(frozen=True)
class Encoded:
    """What a row holds of the pixels of an image.

    Attributes:
        blob: The encoded image; None if it is not kept, or if there is none.
        sha256: Hash of the pixels, None if there are none.
        constant: Whether all pixels are equal, None if there are none.
    """

    blob: bytes | None = None
    sha256: str | None = None
    constant: bool | None = None


def encode(cell: CellImage, codec: Codec, *, keep: bool) -> Encoded:
    """Encode and hash a drawn cell; this takes longer than to draw it where one step is enough.

    Args:
        cell: The cell.
        codec: Format of the image.
        keep: Whether the image is kept.
    """
    pixels = cell.pixels
    if pixels is None:
        return Encoded()
    return Encoded(
        blob=encode_image(pixels, codec) if keep else None,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        constant=bool((pixels == pixels[0, 0]).all()),
    )


def image_table(
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    cells: Sequence[CellImage],
    encoded: Sequence[Encoded],
    negative_cut: Sequence[int],
) -> pa.Table:
    """Make the table of an image shard: one row per cell, in the order given.

    Args:
        prompts: Prompt of each cell.
        seeds: Seed of each cell.
        cells: The drawn cells.
        encoded: Their pixels, encoded.
        negative_cut: Tokens cut off the negative prompt of each cell.
    """
    together = zip(prompts, seeds, cells, encoded, negative_cut, strict=True)
    rows = [_row(*row) for row in together]
    return pa.Table.from_pylist(rows, schema=IMAGES.arrow())


def _row(
    prompt: Prompt, seed: int, cell: CellImage, encoded: Encoded, negative_cut: int
) -> dict[str, Any]:
    return {
        **cell_columns(prompt, seed),
        "image": None if encoded.blob is None else {"bytes": encoded.blob, "path": None},
        "image_sha256": encoded.sha256,
        "status": cell.status,
        "reason": cell.reason,
        "constant": encoded.constant,
        "truncated_tokens": cell.truncated_tokens + negative_cut,
        "micro_batch": cell.micro_batch,
    }
