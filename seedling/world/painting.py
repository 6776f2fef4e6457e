"""Paint the object of a scene, and provide tools that the other layers paint with.

Images are float32 (B, 3, 64, 64). Distances are float32 (B, 64, 64), in fractions of the width
unless stated otherwise. All scenes of a batch are painted at once.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from analysis.statistics.colours import LUMA
from seedling.randomness import choose, uniform
from seedling.world.shapes import SHAPES
from seedling.world.shapes.atlas import distances
from seedling.world.specs import Specs
from seedling.world.vocabulary import OBJECTS, PAINTS

SIDE = 64
DARK_PAINT, LIGHT_PAINT = 0.2, 0.86
"""Objects darker than the first value or lighter than the second are shaded in the opposite
direction, so that their inner regions stay visible."""


@cache
def axes() -> tuple[Tensor, Tensor]:
    """Coordinates of pixel centres as fractions: x of shape (1, 1, 64), y of shape (1, 64, 1)."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    return centres.view(1, 1, SIDE), centres.view(1, SIDE, 1)


@cache
def _upsampler(points: int) -> Tensor:
    unit = torch.eye(points).view(points, 1, points, 1)
    wide = functional.interpolate(unit, (SIDE, 1), mode="bicubic", align_corners=True)
    return wide.view(points, SIDE)


def noise_field(count: int, rows: int, columns: int, *, generator: torch.Generator) -> Tensor:
    """Draw smooth noise: a normal grid of rows x columns, bicubically scaled to (count, 64, 64)."""
    grid = torch.randn(count, rows, columns, generator=generator)
    return _upsampler(rows).T @ grid @ _upsampler(columns)


def brightness(image: Tensor) -> Tensor:
    """Compute the luma of RGB images, (B, 3, H, W) -> (B, H, W)."""
    red, green, blue = LUMA
    return red * image[:, 0] + green * image[:, 1] + blue * image[:, 2]


def jittered(colours: Tensor, amount: float, *, generator: torch.Generator) -> Tensor:
    """Vary colours (B, 3) slightly, as (B, 3, 1, 1)."""
    varied = colours + amount * torch.randn(colours.shape, generator=generator)
    return varied.clamp(0, 1)[:, :, None, None]


def mix(under: Tensor, over: Tensor, share: Tensor) -> Tensor:
    """Blend `over` onto `under`, (B, 3, 64, 64), by share (B, 64, 64) in 0..1."""
    return torch.lerp(under, over.expand_as(under), share[:, None])


def column(values: Tensor) -> Tensor:
    """Reshape (B,) to (B, 1, 1), for use with images of one channel."""
    return values.view(-1, 1, 1)


def distractor(image: Tensor, specs: Specs, *, generator: torch.Generator) -> Tensor:
    """Paint a dull rounded shape in the background of some scenes."""
    count = len(image)
    x, y = axes()
    left = column(uniform(count, 0.05, 0.95, generator=generator))
    low = column(specs.horizon + uniform(count, -0.05, 0.12, generator=generator))
    wide = column(uniform(count, 0.05, 0.14, generator=generator))
    high = column(uniform(count, 0.05, 0.12, generator=generator))
    away = torch.sqrt(((x - left) / wide) ** 2 + ((y - low) / high) ** 2 + 1e-12) - 1
    share = torch.sigmoid(-away * SIDE * 0.12) * column(specs.distractor) * 0.8
    colour = 0.25 + 0.4 * torch.rand(count, 1, generator=generator).expand(-1, 3)
    return mix(image, jittered(colour, 0.06, generator=generator), share)


@cache
def flying() -> Tensor:
    """Whether each object may be above the horizon, bool (objects,)."""
    return torch.tensor([SHAPES[name].flies for name in OBJECTS])


def shadow(image: Tensor, specs: Specs) -> Tensor:
    """Paint a soft shadow under standing objects, away from the light."""
    x, y = axes()
    size = column(specs.size)
    across = (x - column(specs.x) + 0.3 * size * column(specs.light)) / (0.95 * size)
    down = (y - column(specs.y) - 0.92 * size) / (0.2 * size)
    stands = ~flying()[specs.thing.clamp(0, len(OBJECTS) - 1)]
    depth = 0.45 * column(stands.float())
    return image * (1 - depth * torch.exp(-(across**2) - down**2))[:, None]


def thing(image: Tensor, specs: Specs, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paint the object.

    Returns:
        The image, and the signed distance to the object's outline in pixels (negative inside).
    """
    u, v = _object_coordinates(specs)
    outline, detail, accent = distances(specs.thing, u, v)
    pixels = SIDE * column(specs.size)
    paint = torch.tensor(list(PAINTS.values()))[specs.colour]
    paint = jittered(paint, 0.03, generator=generator)
    slope = u * column(specs.light * specs.mirror) - v
    lit = 0.98 + 0.12 * slope + 0.03 * noise_field(len(u), 4, 4, generator=generator)
    shade, accent_shade = _shades()[specs.thing.clamp(0, len(OBJECTS) - 1)].unbind(1)
    surface = mix(paint.expand(-1, -1, SIDE, SIDE), _shaded(paint, shade), _inside(detail * pixels))
    surface = mix(surface, _shaded(paint, accent_shade), _inside(accent * pixels))
    surface = _rimmed(surface * lit[:, None], paint, outline * pixels)
    return mix(image, surface, _inside(outline * pixels)), outline * pixels


def _inside(distance: Tensor) -> Tensor:
    """Share of a pixel that lies inside, from its centre's distance in pixels."""
    return torch.sigmoid(-distance * 1.8)


def _rimmed(surface: Tensor, paint: Tensor, distance: Tensor) -> Tensor:
    """Darken the rim, or lighten that of a dark object, so that it is visible on any ground."""
    dark = brightness(paint)[:, None] < DARK_PAINT
    rim = 0.55 * torch.sigmoid(2 * distance + 2.2)
    return mix(surface, torch.where(dark, surface + 0.3, surface * 0.45), rim)


@cache
def _shades() -> Tensor:
    return torch.tensor([[SHAPES[name].shade, SHAPES[name].accent_shade] for name in OBJECTS])


def _shaded(paint: Tensor, shade: Tensor) -> Tensor:
    """Make paint (B, 3, 1, 1) visibly darker (shade below 1) or lighter (shade above 1)."""
    shade = shade.view(-1, 1, 1, 1)
    level = brightness(paint)[:, None]
    low = torch.where(level < DARK_PAINT, paint + 0.45 * (1 - shade), paint * shade)
    more = (shade - 1).clamp(0, 1)
    lighter = torch.lerp(paint, torch.full_like(paint, 0.97), 0.85 * more)
    high = torch.where(level > LIGHT_PAINT, paint * (1 - 0.42 * more), lighter)
    return torch.where(shade > 1, high, low)


def _object_coordinates(specs: Specs) -> tuple[Tensor, Tensor]:
    x, y = axes()
    dx, dy = x - column(specs.x), y - column(specs.y)
    cos, sin = column(torch.cos(specs.tilt)), column(torch.sin(specs.tilt))
    size = column(specs.size)
    u = (dx * cos + dy * sin) / size * column(specs.mirror)
    return u, (dy * cos - dx * sin) / size


def frame(image: Tensor, specs: Specs, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paint a black, white or wooden frame around the scenes that have one.

    Returns:
        The image, and the covered pixels, bool (B, 64, 64).
    """
    width = column(2 + choose(len(specs.frame), 4, generator=generator))
    pixels = torch.arange(SIDE)
    edge = torch.minimum(pixels, SIDE - 1 - pixels)
    nearest = torch.minimum(edge.view(1, 1, -1), edge.view(1, -1, 1))
    framed = (nearest < width) & column(specs.frame)
    paint = torch.tensor([[0.06] * 3, [0.94] * 3, [0.45, 0.28, 0.14]])
    paint = paint[choose(len(image), len(paint), generator=generator)][:, :, None, None]
    return torch.where(framed[:, None], paint, image), framed
