"""Reads image files from outside, for example photographs in a folder.

The images of a run all have one size and mode. Files from outside can hold anything, so they are
checked before they are decoded. An image is either read correctly or refused with the reason; none
is silently repaired.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.errors import ImageFileError
from pipeline.storage.codec import UNDECODABLE

FORMATS = ("JPEG", "PNG", "WEBP")
"""The only formats that are decoded."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MAX_PIXELS = 40_000_000
"""Most pixels of an image: 120 MB of RGB. A file of 100 kB can hold as many."""
LEAST_SIDE = 16
"""Shortest side, in pixels; a smaller image shows nothing that can be described or compared."""
PLAIN_MODES = ("RGB", "L", "1", "P", "CMYK", "YCbCr")
ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image file.

    Attributes:
        image: RGB, 8 bits a channel, as stored: EXIF orientation is not applied.
        converted: The mode that the image was converted from, for example "L"; empty for RGB.
    """

    image: Image.Image
    converted: str = ""


def list_image_files(folder: Path) -> tuple[list[str], int]:
    """Find the image files below a folder by their suffixes.

    Args:
        folder: The folder.

    Returns:
        The names relative to the folder, sorted, with forward slashes; and the number of other
        files. Hidden files count as neither.

    Raises:
        ImageFileError: If there is no such folder, or no image file in it.
    """
    if not folder.is_dir():
        raise ImageFileError(f"{folder} is not a folder; wanted one with images")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    names = [
        path.relative_to(folder).as_posix() for path in files if path.suffix.lower() in SUFFIXES
    ]
    if not names:
        raise ImageFileError(f"{folder} holds no image; wanted {', '.join(SUFFIXES)}")
    return sorted(names), len(files) - len(names)


def decode_image_file(data: bytes) -> DecodedImage:
    """Decode an image after checking its size.

    Args:
        data: The encoded image.

    Raises:
        ImageFileError: If the data is not a JPEG, PNG or WebP, is damaged, cut short or animated,
            is larger than `MAX_PIXELS` or smaller than `LEAST_SIDE`, has more than 8 bits per
            channel, or has transparent pixels, whose background is unknown.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("L", (20, 30)).save(file, "PNG")
        >>> decoded = decode_image_file(file.getvalue())
        >>> decoded.image.size, decoded.image.mode, decoded.converted
        ((20, 30), 'RGB', 'L')
    """
    try:
        with warnings.catch_warnings():
            # The size is checked below, and a refusal says more than a warning; other warnings are
            # about damaged metadata, which is not used.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _refuse_size(*image.size)
                return _decoded(image)
    except ImageFileError:  # is also a ValueError, which is caught below
        raise
    except Image.DecompressionBombError as error:
        raise ImageFileError(f"too large: {error}") from error
    except UNDECODABLE as error:
        raise ImageFileError(f"cannot be decoded: {error}") from error


def _refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageFileError(
            f"too large: {width} x {height} is {width * height:,} pixels; wanted at most "
            f"{MAX_PIXELS:,}"
        )
    if min(width, height) < LEAST_SIDE:
        raise ImageFileError(
            f"too small: {width} x {height}; wanted at least {LEAST_SIDE} pixels per side"
        )


def _decoded(image: Image.Image) -> DecodedImage:
    if getattr(image, "n_frames", 1) > 1:
        raise ImageFileError("an animation; wanted a single image")
    mode = image.mode
    if mode in ALPHA_MODES or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A").getextrema()
        if alpha != (255, 255):
            raise ImageFileError(f"has transparent pixels ({mode}); wanted opaque pixels")
    elif mode not in PLAIN_MODES:
        raise ImageFileError(f"has the mode {mode}; wanted 8 bits per channel")
    image.load()
    if mode == "RGB":
        return DecodedImage(image.copy())
    return DecodedImage(image.convert("RGB"), mode)


def crop_square(image: Image.Image, size: int) -> Image.Image:
    """Crop the central square and resize it, bicubic with antialiasing.

    Args:
        image: RGB.
        size: Pixels per side.

    Example:
        >>> crop_square(Image.new("RGB", (640, 480)), 512).size
        (512, 512)
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Crop first: with `box`, resize would let pixels from outside the box into the edge.
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BICUBIC)


def reasons_in_words(skipped: Sequence[tuple[str, str]], *, most: int = 3) -> str:
    """List the first few skipped images with their reasons, for a message.

    Example:
        >>> reasons_in_words([("a.png", "too small"), ("b.png", "too small")], most=1)
        'a.png: too small; and 1 more'
    """
    words = [f"{name}: {reason}" for name, reason in skipped[:most]]
    more = len(skipped) - most
    return "; ".join([*words, *([f"and {more} more"] if more > 0 else [])])
