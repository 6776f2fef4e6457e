"""Read images from image shards, checked both before and after they are decoded."""

import hashlib
import io
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.errors import ShardError
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images
from pipeline.storage.codec import UNDECODABLE
from pipeline.storage.receipts import Receipt

FORMATS = ("WEBP", "PNG")
"""Formats of images in shards. Pillow's other decoders are never used."""

Cell = tuple[str, int]
"""(prompt_id, seed)."""


def decode_image(data: bytes, *, height: int, width: int) -> Uint8Images:
    """Decode one image of a shard.

    Args:
        data: The encoded image.
        height: Wanted height in pixels, checked before anything is decoded.
        width: Wanted width in pixels.

    Returns:
        Shape (H, W, 3), RGB, uint8.

    Raises:
        ShardError: If the data is neither WebP nor PNG, is damaged, or has another size or mode.
            Size and mode are read from the header, so an image of a wrong size is not decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if (image.size, image.mode) != ((width, height), "RGB"):
                raise ShardError(
                    f"found an image of {image.size[0]} x {image.size[1]}, {image.mode}; "
                    f"wanted {width} x {height}, RGB"
                )
            return np.asarray(image)
    except ShardError:  # is a ValueError as well
        raise
    except Image.DecompressionBombError as error:  # Pillow's limit is 179 million pixels
        raise ShardError(f"found a huge image ({error}); wanted {width} x {height}") from error
    except UNDECODABLE as error:
        raise ShardError(f"found an image that cannot be decoded: {error}") from error


def decode_rows(rows: pa.Table, *, height: int, width: int) -> tuple[Uint8Images, list[bool]]:
    """Decode the images of a shard's rows.

    Args:
        rows: Table with the columns `image` and `image_sha256`.
        height: Height of the run's images in pixels.
        width: Width of the run's images in pixels.

    Returns:
        (N, H, W, 3) uint8, zeros for a row without an image, and which rows hold an image.

    Raises:
        ShardError: If an image cannot be decoded, or its pixels do not have the stored hash.
    """
    images = np.zeros((rows.num_rows, height, width, 3), dtype=np.uint8)
    kept = []
    columns = (rows["image"].to_pylist(), rows["image_sha256"].to_pylist())
    for row, (image, sha256) in enumerate(zip(*columns, strict=True)):
        data = image and image["bytes"]
        kept.append(bool(data))
        if data:
            images[row] = decode_image(data, height=height, width=width)
            if hashlib.sha256(images[row].tobytes()).hexdigest() != sha256:
                raise ShardError("found an image whose pixels are not those that were drawn")
    return images, kept


def read_images(run: Run, cells: Collection[Cell]) -> dict[Cell, Uint8Images]:
    """Read the images of some cells.

    Args:
        run: The run.
        cells: The wanted cells.

    Returns:
        Cell -> (H, W, 3) uint8. A cell that is not drawn, has failed, or whose image was not
        kept is left out.
    """
    wanted, images = set(cells), dict[Cell, Uint8Images]()
    for tile in run.tiles():
        tile_cells = wanted.intersection(tile.cells)
        images |= read_tile_images(run, tile, tile_cells) if tile_cells else {}
    return images


def read_tile_images(run: Run, tile: Tile, cells: Collection[Cell]) -> dict[Cell, Uint8Images]:
    """Read the images of some cells of one tile.

    Args:
        run: The run.
        tile: A tile of the run.
        cells: The wanted cells, all of this tile.

    Returns:
        As `read_images`.
    """
    receipt = run.images.receipt(tile.id, tile.block)
    return {} if receipt is None else _read_shard_images(run, receipt, cells)


def _read_shard_images(
    run: Run, receipt: Receipt, wanted: Collection[Cell]
) -> dict[Cell, Uint8Images]:
    """Read the images of some cells of a shard; only their row groups are read."""
    keys = run.images.read(receipt, ["prompt_id", "seed"])
    cells = zip(keys["prompt_id"].to_pylist(), keys["seed"].to_pylist(), strict=True)
    rows = {cell: row for row, cell in enumerate(cells) if cell in wanted}
    table = run.images.read_rows(receipt, list(rows.values()), ["image", "image_sha256"])
    images, kept = decode_rows(table, height=run.config.height, width=run.config.width)
    return {cell: images[i] for i, cell in enumerate(rows) if kept[i]}
