"""Change images as sharing them does: JPEG, resizing, cropping."""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from pipeline.stage import Uint8Images

Change = Callable[[Uint8Images], Uint8Images]


def each(change: Callable[[Image.Image], Image.Image]) -> Change:
    """Apply a change of one image to each image of a batch, (B, H, W, 3) uint8."""
    return lambda images: np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def jpeg(quality: int) -> Change:
    """Save as JPEG (4:2:0, Pillow's default) and read again.

    Args:
        quality: 1 to 95.

    Example:
        >>> grey = np.full((2, 16, 16, 3), 128, np.uint8)
        >>> bool((jpeg(50)(grey) == grey).all())
        True
    """

    def change(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer, formats=["JPEG"])

    return each(change)


def resized(share: float) -> Change:
    """Reduce the size (Lanczos) and enlarge to the original size (bicubic).

    Args:
        share: Length of each reduced side, as a share in (0, 1).
    """

    def change(image: Image.Image) -> Image.Image:
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        small = image.resize(size, Image.Resampling.LANCZOS)
        return small.resize(image.size, Image.Resampling.BICUBIC)

    return each(change)


def cropped(share: float) -> Change:
    """Crop to the centre and enlarge to the original size (bilinear).

    Args:
        share: Share of each side that is kept, in (0, 1].
    """

    def change(image: Image.Image) -> Image.Image:
        x, y = image.width * (1 - share) / 2, image.height * (1 - share) / 2
        box = (x, y, image.width - x, image.height - y)
        return image.resize(image.size, Image.Resampling.BILINEAR, box)

    return each(change)


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "jpeg 90": jpeg(90),
        "jpeg 50": jpeg(50),
        "resized to 1/2": resized(0.5),
        "resized to 1/4": resized(0.25),
        "cropped to 95 %": cropped(0.95),
        "cropped to 80 %": cropped(0.8),
    }
)
"""Name -> change."""
