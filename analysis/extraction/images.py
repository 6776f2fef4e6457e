"""Pixels back out of image shards, checked before they are decoded and after."""

import hashlib
import io
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from pipeline.errors import ShardError
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images
from pipeline.storage.receipts import Receipt

FORMATS = ("WEBP", "PNG")
"""The formats that shards hold; no other decoder of Pillow's is ever reached."""

Cell = tuple[str, int]
"""(prompt_id, seed)."""


def decode_image(data: bytes, *, height: int, width: int) -> Uint8Images:
    """Decode one image of a shard.

    Args:
        data: The encoded image.
        height: Height in pixels that it must have; checked before anything is decoded.
        width: Width in pixels that it must have.

    Returns:
        Shape (H, W, 3), RGB, uint8.

    Raises:
        ShardError: If it is no WebP or PNG, is damaged, or has another size or mode. Size and
            mode are read from the header: nothing of a wrong size is decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if (image.size, image.mode) != ((width, height), "RGB"):
                raise ShardError(
                    f"found an image of {image.size[0]} x {image.size[1]}, {image.mode}; "
                    f"wanted {width} x {height}, RGB"
                )
            return np.asarray(image)
    except ShardError:  # a ValueError too
        raise
    except Image.DecompressionBombError as error:  # Pillow refuses from 179 million pixels on
        raise ShardError(f"found a huge image ({error}); wanted {width} x {height}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ShardError(f"found an image that cannot be decoded: {error}") from error


def decode_rows(rows: pa.Table, *, height: int, width: int) -> tuple[Uint8Images, list[bool]]:
    """Decode the images of a shard's rows.

    Args:
        rows: With the columns `image` and `image_sha256`.
        height: Height of the run's images in pixels.
        width: Width of the run's images in pixels.

    Returns:
        (N, H, W, 3) uint8, zeros where the row holds no image, and which rows hold one.

    Raises:
        ShardError: If an image cannot be decoded, or its pixels are not those it was made of.
    """
    images = np.zeros((rows.num_rows, height, width, 3), dtype=np.uint8)
    kept = []
    columns = (rows["image"].to_pylist(), rows["image_sha256"].to_pylist())
    for place, (image, sha256) in enumerate(zip(*columns, strict=True)):
        data = image and image["bytes"]
        kept.append(bool(data))
        if data:
            images[place] = decode_image(data, height=height, width=width)
            if hashlib.sha256(images[place].tobytes()).hexdigest() != sha256:
                raise ShardError("found an image whose pixels are not those that were drawn")
    return images, kept


def read_images(run: Run, cells: Collection[Cell]) -> dict[Cell, Uint8Images]:
    """Read the images of some cells.

    Args:
        run: The run.
        cells: The cells that are wanted.

    Returns:
        cell -> (H, W, 3) uint8; cells that are not drawn, failed, or whose image was not kept
        are left out.
    """
    wanted, images = set(cells), dict[Cell, Uint8Images]()
    for tile in run.tiles():
        tile_cells = wanted.intersection(tile.cells)
        receipt = run.images.receipt(tile.id, tile.block) if tile_cells else None
        if receipt is not None:
            images |= _read_shard_images(run, receipt, tile_cells)
    return images


def _read_shard_images(
    run: Run, receipt: Receipt, wanted: Collection[Cell]
) -> dict[Cell, Uint8Images]:
    """Read the images of some cells of one shard; only their row groups are read."""
    keys = run.images.read(receipt, ["prompt_id", "seed"])
    cells = zip(keys["prompt_id"].to_pylist(), keys["seed"].to_pylist(), strict=True)
    rows = {cell: row for row, cell in enumerate(cells) if cell in wanted}
    table = run.images.read_rows(receipt, list(rows.values()), ["image", "image_sha256"])
    images, kept = decode_rows(table, height=run.config.height, width=run.config.width)
    return {cell: images[i] for i, cell in enumerate(rows) if kept[i]}
