"""What `ocr` does around its networks: pictures enlarged, boxes cut out, masks read, pixels summed.

Boxes are EasyOCR's, in pixels of the enlarged picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import ShardError
from pipeline.prompts.image_files import decode_image_file
from pipeline.stage import Uint8Images

Mask = NDArray[np.bool_]
Points = NDArray[Any]
CROPS = 32
"""Crops in one call of the recogniser: bounds its memory."""
HEIGHT = 64
"""Pixels to which EasyOCR scales a crop's height."""
NPY = b"\x93NUMPY"
"""How a file of numbers begins, which some cards take in a mask's place."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A box of a picture on its way to the recogniser.

    Attributes:
        picture: Its place in the batch.
        box: Four corners (x, y).
        pixels: Shape (64, w), uint8.
        width: Width to which it is padded.
    """

    picture: int
    box: Any
    pixels: NDArray[np.uint8]
    width: int


@dataclass(frozen=True, eq=False)
class Page:
    """What the detector finds in one picture, in pixels of the enlarged picture.

    Attributes:
        grey: Shape (H, W), uint8; what the recogniser sees.
        regions: Four corners (x, y) of each text, shape (4, 2), whole pixels.
        level: [x_min, x_max, y_min, y_max] of each line of text, with a margin.
        free: Four corners of each text that is not level.
    """

    grey: NDArray[np.uint8]
    regions: list[Points]
    level: list[Any]
    free: list[Any]

    def crops(self, picture: int) -> Iterator[Crop]:
        """What there is to read, in `readtext`'s order.

        A box with no pixel in the picture is left out; `readtext` fails on it.
        """
        from easyocr.utils import get_image_list

        height, width = self.grey.shape
        for box in self.level:
            if min(box[1], width) > max(0, box[0]) and min(box[3], height) > max(0, box[2]):
                yield from _crops(picture, get_image_list([box], [], self.grey, HEIGHT))
        for box in self.free:
            if _has_pixels(np.asarray(box, dtype=np.float32)):
                yield from _crops(picture, get_image_list([], [box], self.grey, HEIGHT))


def _crops(picture: int, found: tuple[list[Any], int]) -> Iterator[Crop]:
    crops, width = found
    return (Crop(picture, box, pixels, int(width)) for box, pixels in crops)


def _has_pixels(corners: Points) -> bool:
    """Whether a turned box is at least a pixel wide and high."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return bool(max(sides[0], sides[2]) >= 1 and max(sides[1], sides[3]) >= 1)


def buckets(crops: Sequence[Crop]) -> Iterator[tuple[int, list[int]]]:
    """Cut crops into calls of the recogniser: equal padded width, at most `CROPS` each.

    Returns:
        (width, places of the crops), narrow ones first.
    """
    for width in sorted({crop.width for crop in crops}):
        places = [place for place, crop in enumerate(crops) if crop.width == width]
        for start in range(0, len(places), CROPS):
            yield width, places[start : start + CROPS]


def enlarged(image: Uint8Images, scale: int) -> Uint8Images:
    """A picture (H, W, 3) so many times as high and as wide, bicubic; itself at 1."""
    if scale == 1:
        return image
    import cv2

    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))


def white(picture: Image.Image) -> Mask:
    """Where a mask asks for a picture to be drawn anew: its white part, shape (H, W)."""
    return np.asarray(np.asarray(picture).mean(axis=2) >= 127.5)


@lru_cache(maxsize=256)
def read_mask(folder: Path, sha256: str, size: tuple[int, int]) -> Mask | None:
    """The mask of a prompt.

    Args:
        folder: Holds it under its sha256.
        sha256: Of its file.
        size: (H, W) of the image.

    Returns:
        Shape (H, W), bool; None where the file holds numbers, which are no place in a picture.

    Raises:
        ShardError: If it is not there or has another size.
        ImageFileError: If it is damaged.
    """
    found = sorted(folder.glob(f"{sha256}*"))
    if not found:
        raise ShardError(f"{folder} lacks a prompt's mask, {sha256[:12]}...; put it back there")
    data = found[0].read_bytes()
    if data.startswith(NPY):
        return None
    mask = white(decode_image_file(data).image)
    if mask.shape != size:
        raise ShardError(
            f"{found[0]}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image "
            f"{size[1]} x {size[0]}; the share of it that text covers needs both in one size"
        )
    return mask


def text_shares(
    regions: Sequence[Points], size: tuple[int, ...], mask: Mask | None = None
) -> tuple[float, float]:
    """Shares of a picture and of a mask that text regions cover, overlaps once.

    Args:
        regions: Shape (4, 2) each, corners (x, y) in whole pixels; pixels on an edge count.
        size: (H, W).
        mask: Shape (H, W), bool: where the picture was to be filled in. None where the prompt
            has none.

    Returns:
        Share of the picture; share of the mask, NaN where there is none or it is empty.

    Example:
        >>> corners = np.array([[0, 0], [4, 0], [4, 9], [0, 9]])
        >>> left = np.arange(10)[None] < np.full((10, 1), 5)
        >>> text_shares([corners], (10, 10), left)
        (0.5, 1.0)
    """
    import cv2

    canvas = np.zeros(size, dtype=np.uint8)
    for region in regions:
        cv2.fillPoly(canvas, [np.asarray(region, dtype=np.int32)], 1)
    covered = canvas.astype(bool)
    inside = covered[mask] if mask is not None else covered[:0]
    return float(covered.mean()), float(inside.mean()) if inside.size else float("nan")
