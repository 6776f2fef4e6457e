"""Pictures from outside (photographs in a folder): checked before they are decoded.

Images of a run are ours and have one size and mode; these are anybody's. Every picture is
either read as it is meant or refused with the reason; none is mended in silence.
"""

import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.errors import ImageFileError

FORMATS = ("JPEG", "PNG", "WEBP")
"""The decoders that are ever reached."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MAX_PIXELS = 89_478_485
"""Pillow's own limit against decompression bombs: a quarter of a GiB of RGB."""
LEAST_SIDE = 16
"""Pixels; a picture with a shorter side shows nothing that could be described or compared."""
PLAIN_MODES = ("RGB", "L", "1", "P", "CMYK", "YCbCr")
ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded picture.

    Attributes:
        image: RGB, 8 bits a channel, as stored: EXIF orientation is not applied.
        converted: The mode that it was converted from, for example "L"; empty for RGB.
    """

    image: Image.Image
    converted: str = ""


def list_image_files(folder: Path) -> tuple[list[str], int]:
    """Find the pictures below a folder by their suffixes.

    Args:
        folder: The folder.

    Returns:
        Their names relative to it, sorted, with forward slashes; and how many other files
        there are. Hidden files count as neither.

    Raises:
        ImageFileError: If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ImageFileError(f"{folder} is no folder; wanted one with pictures")
    found = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    names = [
        path.relative_to(folder).as_posix() for path in found if path.suffix.lower() in SUFFIXES
    ]
    if not names:
        raise ImageFileError(f"{folder} holds no picture; wanted {', '.join(SUFFIXES)}")
    return sorted(names), len(found) - len(names)


def decode_image_file(data: bytes) -> DecodedImage:
    """Decode a picture, its size checked first.

    Args:
        data: The encoded picture.

    Raises:
        ImageFileError: If it is no JPEG, PNG or WebP, is damaged, cut short, animated, larger
            than `MAX_PIXELS`, smaller than `LEAST_SIDE`, of more than 8 bits a channel, or has
            pixels that are not opaque: what is behind them is anybody's guess.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("L", (20, 30)).save(file, "PNG")
        >>> picture = decode_image_file(file.getvalue())
        >>> picture.image.size, picture.image.mode, picture.converted
        ((20, 30), 'RGB', 'L')
    """
    try:
        with warnings.catch_warnings():
            # The size is checked here, and a refusal says more than a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _refuse_size(*image.size)
                return _decoded(image)
    except ImageFileError:  # a ValueError too
        raise
    except Image.DecompressionBombError as error:
        raise ImageFileError(f"too large: {error}") from error
    except (OSError, SyntaxError, EOFError, ValueError, struct.error) as error:
        raise ImageFileError(f"cannot be decoded: {error}") from error


def _refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageFileError(
            f"too large: {width} x {height} is {width * height:,} pixels, at most "
            f"{MAX_PIXELS:,} are decoded"
        )
    if min(width, height) < LEAST_SIDE:
        raise ImageFileError(f"too small: {width} x {height}; wanted {LEAST_SIDE} pixels a side")


def _decoded(image: Image.Image) -> DecodedImage:
    if getattr(image, "n_frames", 1) > 1:
        raise ImageFileError("an animation; wanted one picture")
    mode = image.mode
    if mode in ALPHA_MODES or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A").getextrema()
        if alpha != (255, 255):
            raise ImageFileError(f"has transparent pixels ({mode}); wanted opaque ones")
    elif mode not in PLAIN_MODES:
        raise ImageFileError(f"has the mode {mode}; wanted 8 bits a channel")
    image.load()
    if mode == "RGB":
        return DecodedImage(image.copy())
    return DecodedImage(image.convert("RGB"), mode)


def crop_square(image: Image.Image, size: int) -> Image.Image:
    """Cut the middle square out and bring it to a size: bicubic, with antialiasing.

    Args:
        image: RGB.
        size: Pixels a side.

    Example:
        >>> crop_square(Image.new("RGB", (640, 480)), 512).size
        (512, 512)
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Cut first: resize's own `box` lets what is outside of it into the edge.
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BICUBIC)


def reasons_in_words(skipped: Sequence[tuple[str, str]], *, most: int = 3) -> str:
    """The first few skipped pictures with their reasons, for a message.

    Example:
        >>> reasons_in_words([("a.png", "too small"), ("b.png", "too small")], most=1)
        'a.png: too small; and 1 more'
    """
    words = [f"{name}: {reason}" for name, reason in skipped[:most]]
    more = len(skipped) - most
    return "; ".join([*words, *([f"and {more} more"] if more > 0 else [])])
