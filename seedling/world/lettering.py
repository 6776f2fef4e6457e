"""Write words on signs in large plain letters made of thick strokes, without a font file."""

from functools import cache

import torch
from torch import Tensor

from seedling.world.specs import Specs
from seedling.world.vocabulary import WORDS

SIDE = 64
SIGN = 26
"""Height of the sign in pixels; it is as wide as the image."""
STROKE = 1.45
"""Half the width of a stroke in pixels."""
LOWEST = SIDE - SIGN
"""The lowest row at which a sign may start."""

_ROUND = ((0.5, 0.0), (0.86, 0.13), (1.0, 0.5), (0.86, 0.87), (0.5, 1.0))
_BOWL = (*_ROUND, (0.14, 0.87), (0.0, 0.5), (0.14, 0.13), (0.5, 0.0))
Line = tuple[tuple[float, float], ...]
LETTERS: dict[str, tuple[Line, ...]] = {
    "A": (((0, 1), (0.5, 0), (1, 1)), ((0.2, 0.66), (0.8, 0.66))),
    "C": (((0.95, 0.2), (0.5, 0.0), (0.14, 0.13), (0, 0.5), (0.14, 0.87), (0.5, 1), (0.95, 0.8)),),
    "E": (((1, 0), (0, 0), (0, 1), (1, 1)), ((0, 0.5), (0.85, 0.5))),
    "F": (((1, 0), (0, 0), (0, 1)), ((0, 0.5), (0.85, 0.5))),
    "H": (((0, 0), (0, 1)), ((1, 0), (1, 1)), ((0, 0.5), (1, 0.5))),
    "I": (((0.5, 0), (0.5, 1)),),
    "L": (((0, 0), (0, 1), (1, 1)),),
    "N": (((0, 1), (0, 0), (1, 1), (1, 0)),),
    "O": (_BOWL,),
    "P": (((0, 1), (0, 0), (0.7, 0), (1, 0.15), (1, 0.4), (0.7, 0.55), (0, 0.55)),),
    "S": (
        (
            *((0.95, 0.15), (0.6, 0), (0.25, 0), (0.03, 0.14), (0.03, 0.36), (0.25, 0.48)),
            *((0.75, 0.53), (0.97, 0.65), (0.97, 0.86), (0.75, 1), (0.35, 1), (0.03, 0.86)),
        ),
    ),
    "T": (((0, 0), (1, 0)), ((0.5, 0), (0.5, 1))),
    "V": (((0, 0), (0.5, 1), (1, 0)),),
    "W": (((0, 0), (0.25, 1), (0.5, 0.25), (0.75, 1), (1, 0)),),
    "X": (((0, 0), (1, 1)), ((1, 0), (0, 1))),
}
"""Letters as lines through points, x right and y down, in a box of 1 x 1."""
WIDTHS = {"I": 0.25, "W": 1.35, "N": 1.05}
"""Letters that are narrower or wider than the others."""


def _segments(word: str) -> tuple[Tensor, Tensor]:
    """Start and end points (S, 2), in pixels of the sign."""
    widths = [WIDTHS.get(letter, 1.0) for letter in word]
    gap = 3.4 + 2 * STROKE
    unit = (SIDE - 5 - 2 * STROKE - gap * (len(word) - 1)) / sum(widths)
    high = min(SIGN - 5 - 2 * STROKE, 1.75 * unit)
    starts, ends, left = [], [], 2.5 + STROKE
    for letter, width in zip(word, widths, strict=True):
        corner = torch.tensor([left, (SIGN - high) / 2])
        scale = torch.tensor([unit * width, high])
        for line in LETTERS[letter]:
            points = corner + torch.tensor(line, dtype=torch.float32) * scale
            starts.append(points[:-1])
            ends.append(points[1:])
        left += unit * width + gap
    return torch.cat(starts), torch.cat(ends)


@cache
def atlas() -> Tensor:
    """Share of each pixel that is ink, float32 (words, SIGN, 64) in 0..1."""
    rows = [_coverage(*_segments(word)) for word in WORDS]
    return torch.stack(rows)


def _coverage(start: Tensor, end: Tensor) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIGN) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], dim=-1)[:, :, None]
    along = end - start
    share = ((pixels - start) * along).sum(-1) / along.square().sum(-1)
    away = pixels - start - share.clamp(0, 1)[..., None] * along
    distance = away.square().sum(-1).sqrt().amin(-1)
    return (STROKE + 0.5 - distance).clamp(0, 1)


def write(image: Tensor, specs: Specs, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a sign over the scenes that have a word, dark on light or light on dark.

    Args:
        image: float32 (B, 3, 64, 64) in 0..1.
        specs: Specs of the scenes; `word`, `word_index` and `word_top` are used.
        generator: The source of randomness of the sign's colours.

    Returns:
        The image, and the covered pixels, bool (B, 64, 64).
    """
    covered = torch.zeros(len(image), SIDE, SIDE, dtype=torch.bool)
    rows = specs.word.nonzero().flatten()
    if not len(rows):
        return image, covered
    row = torch.arange(SIDE).view(1, -1) - specs.word_top[rows].view(-1, 1)
    inside = (row >= 0) & (row < SIGN)
    ink = atlas()[specs.word_index[rows].view(-1, 1), row.clamp(0, SIGN - 1)]
    light = 0.88 + 0.1 * torch.rand(len(rows), 3, generator=generator)
    dark = 0.18 * torch.rand(len(rows), 3, generator=generator)
    swapped = (torch.rand(len(rows), 1, generator=generator) < 0.5).expand(-1, 3)
    plate = torch.where(swapped, dark, light)[:, :, None, None]
    letters = torch.where(swapped, light, dark)[:, :, None, None]
    sign = torch.lerp(plate, letters, ink[:, None])
    image = image.clone()
    image[rows] = torch.where(inside[:, None, :, None], sign, image[rows])
    covered[rows] = inside[:, :, None].expand(-1, -1, SIDE)
    return image, covered
