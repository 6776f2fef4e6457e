"""Draw images with words in them, by Pillow."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

WORDS = ("HOTEL", "OPEN", "taxi", "Seed 42", "golden", "horse", "red bowl", "EXIT", "7,11", "Cafe")


def lettered(count: int, *, height: int = 64, width: int = 96) -> Pixels:
    """Draw images (count, height, width, 3) with dark words on a light ground.

    Every fifth has none, every fourth two lines of another size, every seventh is turned, every
    ninth is faint.
    """
    rng = np.random.default_rng(7)
    return np.stack([_picture(rng, place, height, width) for place in range(count)])


def _picture(rng: np.random.Generator, place: int, height: int, width: int) -> Pixels:
    ground = rng.integers(170, 256, 3)
    ink = ground - (14 if place % 9 == 8 else 150)
    image = Image.new("RGB", (width, height), tuple(int(c) for c in ground))
    pen = ImageDraw.Draw(image)
    lines = 0 if place % 5 == 4 else 2 if place % 4 == 1 else 1
    for line in range(lines):
        size = int(rng.integers(15, 24))
        at = (int(rng.integers(2, 12)), 6 + line * height // 2)
        word = WORDS[int(rng.integers(len(WORDS)))]
        font = ImageFont.load_default(size=size)
        pen.text(at, word, font=font, fill=tuple(max(int(c), 0) for c in ink))
    if place % 7 == 3:
        fill = tuple(int(c) for c in ground)
        image = image.rotate(14, Image.Resampling.BICUBIC, fillcolor=fill)
    return np.asarray(image)
