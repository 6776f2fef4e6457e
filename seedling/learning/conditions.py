"""Condition images that go with the prompt: outlines, and the regions that inpainting fills.

Masks are bool (B, 64, 64); scenes come from the world.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from seedling.randomness import choose, make_generator, uniform
from seedling.world.painting import SIDE, axes, column
from seedling.world.scenes import Scenes, draw_scenes, draw_specs, render
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import OBJECTS

KINDS = ("object", "box", "strokes", "band")
"""The kinds of regions, which are equally likely; see `draw_regions`."""
LOWEST_BAND = 28
"""Height of the lowest band in rows: a sign, 26 rows high and as wide as the image, fits in."""
STROKES = 5
"""Number of straight strokes in a region of strokes."""
AWAY = 10.0
"""How far an object is moved to be out of view, in widths of the image."""


@dataclass(frozen=True)
class Twins:
    """The same scenes with and without their object.

    Attributes:
        scenes: The scenes with it.
        clear: float32 (B, 3, 64, 64) in 0..1, without the object and its shadow, all else equal.
    """

    scenes: Scenes
    clear: Tensor


def draw_twins(parts: Tensor, *, generator: torch.Generator) -> Twins:
    """Draw scenes with and without their objects.

    Args:
        parts: int64 (B, 4) as for `scenes.draw_specs`.
        generator: The source of randomness.

    Returns:
        B pairs of scenes.
    """
    specs = draw_specs(parts, generator=generator)
    state = generator.get_state()
    scenes = render(specs, generator=generator)
    generator.set_state(state)
    absent = dataclasses.replace(specs, x=specs.x + AWAY)
    return Twins(scenes, render(absent, generator=generator).images)


def outlines(masks: Tensor) -> Tensor:
    """Find the edges of masks: pixels with a neighbour outside the mask or the image.

    Args:
        masks: bool (B, 64, 64).

    Returns:
        bool (B, 64, 64).

    Example:
        >>> outlines(torch.ones(1, 3, 3, dtype=torch.bool)).int().tolist()
        [[[1, 1, 1], [1, 0, 1], [1, 1, 1]]]
    """
    outside = functional.pad(~masks[:, None], [1] * 4, value=1.0).float()
    return masks & (functional.max_pool2d(outside, 3, 1)[:, 0] > 0)


def control_images(edges: Tensor) -> Tensor:
    """Turn edges (B, 64, 64) into a ControlNet's input: float32 (B, 3, 64, 64), white on black."""
    return edges[:, None].expand(-1, 3, -1, -1).float()


def draw_regions(masks: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw the region of each image that is to be filled.

    The region is one of `KINDS`: the object's pixels and a few around it, a box around it, thick
    strokes anywhere, or a band over the whole width, sometimes the whole image. If no object is
    visible, it is a band.

    Args:
        masks: bool (B, 64, 64), the objects.
        generator: The source of randomness.

    Returns:
        bool (B, 64, 64).
    """
    count = len(masks)
    options = torch.stack(
        [
            _grown(masks, 1 + choose(count, 4, generator=generator)),
            _boxes(masks, 1 + choose(count, 6, generator=generator)),
            _strokes(count, generator=generator),
            _bands(count, generator=generator),
        ]
    )
    kinds = choose(count, len(KINDS), generator=generator)
    kinds = torch.where(masks.any(dim=(1, 2)), kinds, KINDS.index("band"))
    return options[kinds, torch.arange(count)]


def bands_over(rows: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw bands over the whole width that cover given rows.

    Args:
        rows: bool (B, 64), at least one true in each.
        generator: The source of randomness; each band extends a random way above and below.

    Returns:
        bool (B, 64, 64).
    """
    first, last = first_and_last(rows)
    above, below = torch.rand(2, len(rows), generator=generator)
    return band((above * (first + 1)).long(), last + (below * (SIDE - last)).long())


def first_and_last(flags: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and the last true index of each row (B, 64), int64 (B,).

    Example:
        >>> flags = torch.zeros(1, 64, dtype=torch.bool)
        >>> flags[0, 3:9] = True
        >>> [int(index) for index in first_and_last(flags)]
        [3, 8]
    """
    indices = torch.arange(SIDE)
    return torch.where(flags, indices, SIDE).amin(1), torch.where(flags, indices, -1).amax(1)


def band(top: Tensor, bottom: Tensor) -> Tensor:
    """Make bands over the whole width, bool (B, 64, 64), from `top` to `bottom` inclusive."""
    row = torch.arange(SIDE)
    inside: Tensor = (row >= top[:, None]) & (row <= bottom[:, None])
    return inside[:, :, None].expand(-1, -1, SIDE)


def _grown(masks: Tensor, margin: Tensor) -> Tensor:
    """Masks grown by 1 to 4 pixels, each by its own margin."""
    grown = [functional.max_pool2d(masks.float(), 2 * n + 1, 1, n) > 0 for n in range(1, 5)]
    return torch.stack(grown)[margin - 1, torch.arange(len(masks))]


def _boxes(masks: Tensor, margin: Tensor) -> Tensor:
    """The boxes around masks, with a margin in pixels."""
    return _span(masks.any(dim=1), margin)[:, None] & _span(masks.any(dim=2), margin)[:, :, None]


def _span(flags: Tensor, margin: Tensor) -> Tensor:
    """The span from the first to the last true of each row (B, 64), with a margin."""
    pixels, (first, last) = torch.arange(SIDE), first_and_last(flags)
    return (pixels >= (first - margin)[:, None]) & (pixels <= (last + margin)[:, None])


def _strokes(count: int, *, generator: torch.Generator) -> Tensor:
    """Thick lines through random points."""
    points = torch.rand(count, STROKES + 1, 2, generator=generator)
    radius = column(uniform(count, 0.04, 0.12, generator=generator))
    regions = torch.zeros(count, SIDE, SIDE, dtype=torch.bool)
    for start, end in zip(points[:, :-1].unbind(1), points[:, 1:].unbind(1), strict=True):
        regions |= _distance(start, end) < radius
    return regions


def _distance(start: Tensor, end: Tensor) -> Tensor:
    """Distance of each pixel from the lines between points (B, 2), in fractions of the width."""
    x, y = axes()
    dx, dy = (column(part) for part in (end - start).unbind(1))
    u, v = x - column(start[:, 0]), y - column(start[:, 1])
    share = ((u * dx + v * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    return torch.hypot(u - share * dx, v - share * dy)


def _bands(count: int, *, generator: torch.Generator) -> Tensor:
    """Bands of `LOWEST_BAND` rows or more, over the whole width."""
    height = LOWEST_BAND + choose(count, SIDE - LOWEST_BAND + 1, generator=generator)
    top = (torch.rand(count, generator=generator) * (SIDE - height + 1)).long()
    return band(top, top + height - 1)


LEAST = 40
"""Minimum number of an object's visible pixels: some objects are hidden behind a frame."""


def draw_seen(count: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw scenes whose object is visible.

    Args:
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        Images, float32 (count, 3, 64, 64) in 0..1; masks, bool (count, 64, 64); the parts that
        their sentences name, int64 (count, 4).
    """
    generator = make_generator(seed)
    parts = draw_parts(2 * count + 16, generator=generator)
    parts = parts[parts[:, 0] < len(OBJECTS)]  # scenes without an object have no mask
    scenes = draw_scenes(parts, generator=generator)
    rows = torch.nonzero(scenes.masks.sum(dim=(1, 2)) >= LEAST).ravel()[:count]
    return scenes.images[rows], scenes.masks[rows], parts[rows]
