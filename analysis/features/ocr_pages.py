"""Prepare images and boxes for the networks of `ocr`, read masks, and measure covered areas.

Boxes are those of EasyOCR, in pixels of the enlarged image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import PromptError, ShardError
from pipeline.prompts.conditions import Conditions
from pipeline.prompts.image_files import decode_image_file
from pipeline.stage import Uint8Images
from pipeline.storage.address import Place

Mask = NDArray[np.bool_]
Points = NDArray[Any]
CROPS = 32
"""Crops in one call of the recogniser: bounds its memory."""
HEIGHT = 64
"""Pixels to which EasyOCR scales a crop's height."""
NPY = b"\x93NUMPY"
"""First bytes of a file of numbers, which some cards take in place of a mask."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A box cut out of an image for the recogniser.

    Attributes:
        image: Index of the image in the batch.
        box: Four corners (x, y).
        pixels: Shape (64, w), uint8.
        width: Width to which the pixels are padded.
    """

    image: int
    box: Any
    pixels: NDArray[np.uint8]
    width: int


@dataclass(frozen=True, eq=False)
class Page:
    """The detector's findings in one image, in pixels of the enlarged image.

    Attributes:
        grey: Shape (H, W), uint8; the pixels that the recogniser sees.
        regions: Four corners (x, y) of each text, shape (4, 2), whole pixels.
        level: [x_min, x_max, y_min, y_max] of each horizontal line of text, with a margin.
        free: Four corners of each text that is not horizontal.
    """

    grey: NDArray[np.uint8]
    regions: list[Points]
    level: list[Any]
    free: list[Any]

    def crops(self, image: int) -> Iterator[Crop]:
        """Cut out all boxes, in the order of `readtext`.

        A box with no pixel in the image is left out; `readtext` fails on it.

        Args:
            image: Index of the image in the batch.
        """
        from easyocr.utils import get_image_list

        height, width = self.grey.shape
        for box in self.level:
            if min(box[1], width) > max(0, box[0]) and min(box[3], height) > max(0, box[2]):
                yield from _crops(image, get_image_list([box], [], self.grey, HEIGHT))
        for box in self.free:
            if _has_pixels(np.asarray(box, dtype=np.float32)):
                yield from _crops(image, get_image_list([], [box], self.grey, HEIGHT))


def _crops(image: int, boxes_and_width: tuple[list[Any], int]) -> Iterator[Crop]:
    boxes, width = boxes_and_width
    return (Crop(image, box, pixels, int(width)) for box, pixels in boxes)


def _has_pixels(corners: Points) -> bool:
    """Whether a turned box is at least a pixel wide and high."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return bool(max(sides[0], sides[2]) >= 1 and max(sides[1], sides[3]) >= 1)


def buckets(crops: Sequence[Crop]) -> Iterator[tuple[int, list[int]]]:
    """Group crops into calls of the recogniser: equal padded width, at most `CROPS` each.

    Yields:
        (width, indices of the crops), narrow crops first.
    """
    for width in sorted({crop.width for crop in crops}):
        indices = [i for i, crop in enumerate(crops) if crop.width == width]
        for start in range(0, len(indices), CROPS):
            yield width, indices[start : start + CROPS]


def enlarged(image: Uint8Images, scale: int) -> Uint8Images:
    """Enlarge an image (H, W, 3) by a factor, bicubic; a factor of 1 returns the image itself."""
    if scale == 1:
        return image
    import cv2

    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))


def white(image: Image.Image) -> Mask:
    """Return the white part of a mask, where the image is to be redrawn, shape (H, W)."""
    return np.asarray(np.asarray(image).mean(axis=2) >= 127.5)


@lru_cache(maxsize=256)
def read_mask(folder: Place, sha256: str, size: tuple[int, int]) -> Mask | None:
    """Read the mask of a prompt.

    Args:
        folder: Folder that holds the file under its sha256.
        sha256: Hash of the file.
        size: (H, W) of the image.

    Returns:
        Shape (H, W), bool; None if the file holds numbers, which are no region of an image.

    Raises:
        ShardError: If the file is missing or the mask has another size.
        ImageFileError: If the file is damaged.
    """
    try:
        data = Conditions(folder).read(sha256)
    except PromptError as error:
        raise ShardError(f"a prompt's mask: {error}") from error
    if data.startswith(NPY):
        return None
    mask = white(decode_image_file(data).image)
    if mask.shape != size:
        raise ShardError(
            f"{folder / sha256}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image "
            f"{size[1]} x {size[0]}; both must have the same size"
        )
    return mask


def text_shares(
    regions: Sequence[Points], size: tuple[int, ...], mask: Mask | None = None
) -> tuple[float, float]:
    """Measure the shares of an image and of a mask that text regions cover.

    Args:
        regions: Shape (4, 2) each, corners (x, y) in whole pixels. Pixels on an edge count;
            overlaps count once.
        size: (H, W).
        mask: Shape (H, W), bool: the region to be redrawn; None if the prompt has no mask.

    Returns:
        Share of the image, and share of the mask: NaN if there is no mask or it is empty.

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
