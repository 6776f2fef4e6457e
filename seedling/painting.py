"""How a scene is painted, one layer a function, all scenes of a batch at once.

Images are float32 (B, 3, 64, 64), distances float32 (B, 64, 64) in fractions of the width.
"""

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from seedling.randomness import choose, uniform
from seedling.shapes import SHAPES
from seedling.vocabulary import COLOURS, LETTERS, PLACES, TONE_LEVELS, WORDS

if TYPE_CHECKING:
    from seedling.world import Specs

SIDE = 64
LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of R, G, B in brightness (ITU-R BT.601)."""


@cache
def axes() -> tuple[Tensor, Tensor]:
    """Pixel centres as fractions: x of shape (1, 1, 64), y of shape (1, 64, 1)."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    return centres.view(1, 1, SIDE), centres.view(1, SIDE, 1)


@cache
def _upsampler(points: int) -> Tensor:
    unit = torch.eye(points).view(points, 1, points, 1)
    wide = functional.interpolate(unit, (SIDE, 1), mode="bicubic", align_corners=True)
    return wide.view(points, SIDE)


def noise_field(count: int, rows: int, columns: int, *, generator: torch.Generator) -> Tensor:
    """Smooth noise: a normal grid of rows x columns, bicubically enlarged to (count, 64, 64)."""
    grid = torch.randn(count, rows, columns, generator=generator)
    return _upsampler(rows).T @ grid @ _upsampler(columns)


def _place_table(name: str, specs: "Specs") -> Tensor:
    rows = torch.tensor([getattr(place, name) for place in PLACES.values()])
    return rows[specs.place]


def _jittered(colours: Tensor, amount: float, *, generator: torch.Generator) -> Tensor:
    moved = colours + amount * torch.randn(colours.shape, generator=generator)
    return moved.clamp(0, 1)[:, :, None, None]


def _mix(under: Tensor, over: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(under, over.expand_as(under), share[:, None])


def background(specs: "Specs", *, generator: torch.Generator) -> Tensor:
    """Sky with clouds, ground with its texture, and the line between them."""
    count = len(specs.place)
    _, y = axes()
    line = specs.horizon.view(-1, 1, 1) + 0.012 * noise_field(count, 1, 5, generator=generator)
    image = _mix(
        _sky(specs, generator=generator),
        _ground(specs, generator=generator),
        torch.sigmoid((y - line) * SIDE * 1.5),
    )
    steps = torch.rand(count, 1, 8, generator=generator).repeat_interleave(8, dim=2)
    height = _place_table("skyline", specs).view(-1, 1, 1) * (0.3 + steps)
    built = (y > line - height) & (y < line) & (height > 0)
    return _mix(image, torch.tensor([0.5, 0.47, 0.45])[None, :, None, None], built * 0.8)


def _sky(specs: "Specs", *, generator: torch.Generator) -> Tensor:
    count = len(specs.place)
    _, y = axes()
    clouds = noise_field(count, 5, 4, generator=generator).clamp(-0.2, 1.2)
    share = _place_table("cloud", specs).view(-1, 1, 1) * (clouds + 0.2) + 0.25 * y
    share = torch.where(specs.large_sky.view(-1, 1, 1), 0.6 + 0.3 * share, share)
    colour = _jittered(_place_table("sky", specs), 0.05, generator=generator)
    return _mix(
        colour.expand(-1, -1, SIDE, SIDE), torch.full((1, 3, 1, 1), 0.96), share.clamp(0, 0.95)
    )


def _ground(specs: "Specs", *, generator: torch.Generator) -> Tensor:
    count = len(specs.place)
    fields = {"coarse": (6, 6), "fine": (20, 20), "streak": (20, 2)}
    texture = sum(
        _place_table(name, specs).view(-1, 1, 1) * noise_field(count, *grid, generator=generator)
        for name, grid in fields.items()
    )
    colour = _jittered(_place_table("ground", specs), 0.05, generator=generator)
    return colour + torch.as_tensor(texture)[:, None]


def distractor(image: Tensor, specs: "Specs", *, generator: torch.Generator) -> Tensor:
    """A dull ellipse somewhere in the background of some scenes."""
    count = len(image)
    x, y = axes()
    left = uniform(count, 0.05, 0.95, generator=generator).view(-1, 1, 1)
    low = uniform(count, -0.05, 0.15, generator=generator).view(-1, 1, 1)
    low = low + specs.horizon.view(-1, 1, 1)
    wide = uniform(count, 0.05, 0.16, generator=generator).view(-1, 1, 1)
    high = uniform(count, 0.05, 0.16, generator=generator).view(-1, 1, 1)
    away = torch.sqrt(((x - left) / wide) ** 2 + ((y - low) / high) ** 2 + 1e-12) - 1
    share = torch.sigmoid(-away * SIDE * 0.12) * specs.distractor.view(-1, 1, 1) * 0.8
    colour = 0.25 + 0.4 * torch.rand(count, 1, generator=generator).expand(-1, 3)
    return _mix(image, _jittered(colour, 0.06, generator=generator), share)


def shadow(image: Tensor, specs: "Specs") -> Tensor:
    """A soft shadow under the object, away from the light."""
    x, y = axes()
    size = specs.size.view(-1, 1, 1)
    across = (x - specs.x.view(-1, 1, 1) + 0.5 * size * specs.light.view(-1, 1, 1)) / (1.1 * size)
    down = (y - specs.y.view(-1, 1, 1) - 0.92 * size) / (0.28 * size)
    return image * (1 - 0.45 * torch.exp(-(across**2) - down**2))[:, None]


def thing(image: Tensor, specs: "Specs", *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paint the object.

    Returns:
        The image, and the signed distance to the object's outline (negative inside).
    """
    u, v = _own_coordinates(specs)
    outline, detail, shade = _distances(specs, u, v)
    sharp = SIDE * specs.size.view(-1, 1, 1) * 1.6
    colour = torch.tensor(list(COLOURS.values()))[specs.colour]
    colour = _jittered(colour, 0.035, generator=generator)
    slope = u * (specs.light * specs.mirror).view(-1, 1, 1) - v
    lit = 0.98 + 0.16 * slope + 0.04 * noise_field(len(u), 4, 4, generator=generator)
    painted = colour * lit[:, None]
    second = torch.where(shade > 1, painted * 0.25 + (shade - 1).clamp(0, 1) * 0.7, painted * shade)
    painted = _mix(painted, second, torch.sigmoid(-detail * sharp))
    return _mix(image, painted, torch.sigmoid(-outline * sharp)), outline


def _own_coordinates(specs: "Specs") -> tuple[Tensor, Tensor]:
    x, y = axes()
    dx, dy = x - specs.x.view(-1, 1, 1), y - specs.y.view(-1, 1, 1)
    cos, sin = torch.cos(specs.tilt).view(-1, 1, 1), torch.sin(specs.tilt).view(-1, 1, 1)
    size = specs.size.view(-1, 1, 1)
    u = (dx * cos + dy * sin) / size * specs.mirror.view(-1, 1, 1)
    return u, (dy * cos - dx * sin) / size


def _distances(specs: "Specs", u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    outline, detail = torch.empty_like(u), torch.empty_like(u)
    shades = torch.tensor([shape.shade for shape in SHAPES.values()])
    for label, shape in enumerate(SHAPES.values()):
        rows = (specs.thing == label).nonzero().flatten()
        if len(rows):
            outline[rows] = shape.outline(u[rows], v[rows])
            detail[rows] = shape.detail(u[rows], v[rows])
    return outline, detail, shades[specs.thing].view(-1, 1, 1, 1)


def brightness(image: Tensor) -> Tensor:
    """Luminance of RGB images, (B, 3, H, W) -> (B, H, W)."""
    red, green, blue = LUMINANCE
    return red * image[:, 0] + green * image[:, 1] + blue * image[:, 2]


def light(image: Tensor, specs: "Specs") -> Tensor:
    """Exposure, light from one side, and the greyed look of some scenes."""
    x, _ = axes()
    slope = 0.2 * specs.light.view(-1, 1, 1) * (x - 0.5)
    image = image * (specs.gain.view(-1, 1, 1) + slope)[:, None]
    faded = 0.3 + 0.5 * torch.lerp(brightness(image)[:, None].expand_as(image), image, 0.15)
    return torch.where(specs.grey.view(-1, 1, 1, 1), faded, image)


def tone(image: Tensor, specs: "Specs") -> Tensor:
    """The tone asked for: one gain and offset, or luminance alone."""
    levels = torch.tensor(list(TONE_LEVELS.values()))[specs.tone]
    mono = (specs.tone == list(TONE_LEVELS).index("mono")).view(-1, 1, 1, 1)
    image = torch.where(mono, brightness(image)[:, None].expand_as(image), image).clamp(0, 1)
    return image * levels[:, 0].view(-1, 1, 1, 1) + levels[:, 1].view(-1, 1, 1, 1)


@cache
def _word_atlas() -> Tensor:
    atlas = torch.zeros(len(WORDS), 5, 20, dtype=torch.bool)
    for row, word in enumerate(WORDS):
        for place, letter in enumerate(word):
            pixels = torch.tensor([bit == "1" for bit in LETTERS[letter]]).view(5, 3)
            atlas[row, :, 4 * place : 4 * place + 3] = pixels
    return atlas


def overlays(image: Tensor, specs: "Specs", *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Write the words and set the frames.

    Returns:
        The image, and which pixels are covered, bool (B, 64, 64).
    """
    words = _written(specs, generator=generator)
    framed = _framed(specs, generator=generator)
    ink = torch.where(happens_dark(len(image), generator=generator), 0.05, 0.95)
    image = torch.where(words[:, None], ink.view(-1, 1, 1, 1), image)
    paint = torch.tensor([[0.06] * 3, [0.94] * 3, [0.45, 0.28, 0.14]])
    paint = paint[choose(len(image), len(paint), generator=generator)][:, :, None, None]
    return torch.where(framed[:, None], paint, image), words | framed


def happens_dark(count: int, *, generator: torch.Generator) -> Tensor:
    """Which words are written in black rather than white, bool (count,)."""
    return torch.rand(count, generator=generator) < 0.5


def _written(specs: "Specs", *, generator: torch.Generator) -> Tensor:
    count = len(specs.word)
    left = 3 + choose(count, 18, generator=generator).view(-1, 1, 1)
    high = choose(count, 2, generator=generator).bool()
    top = torch.where(
        high, 4 + choose(count, 6, generator=generator), 44 + choose(count, 7, generator=generator)
    ).view(-1, 1, 1)
    pixels = torch.arange(SIDE)
    column = torch.div(pixels.view(1, 1, -1) - left, 2, rounding_mode="floor")
    row = torch.div(pixels.view(1, -1, 1) - top, 2, rounding_mode="floor")
    inside = (column >= 0) & (column < 20) & (row >= 0) & (row < 5)
    index = specs.word_index.view(-1, 1, 1)
    return (
        _word_atlas()[index, row.clamp(0, 4), column.clamp(0, 19)]
        & inside
        & specs.word.view(-1, 1, 1)
    )


def _framed(specs: "Specs", *, generator: torch.Generator) -> Tensor:
    width = (2 + choose(len(specs.frame), 4, generator=generator)).view(-1, 1, 1)
    pixels = torch.arange(SIDE)
    edge = torch.minimum(pixels, SIDE - 1 - pixels)
    nearest = torch.minimum(edge.view(1, 1, -1), edge.view(1, -1, 1))
    return (nearest < width) & specs.frame.view(-1, 1, 1)
