"""Paint the six places, which differ in their large areas, under a sky that depends on the tone."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from seedling.randomness import uniform
from seedling.world.painting import SIDE, axes, column, jittered, mix, noise_field
from seedling.world.specs import Specs
from seedling.world.vocabulary import PLACES, TONES, Colour

SUNSET, NIGHT = list(TONES).index("sunset"), list(TONES).index("night")
SKIES: dict[str, Colour] = {
    "beach": (0.50, 0.76, 0.96),
    "forest": (0.72, 0.88, 0.82),
    "snow": (0.76, 0.82, 0.89),
    "city": (0.70, 0.76, 0.83),
    "kitchen": (0.62, 0.82, 0.97),
    "desert": (0.98, 0.84, 0.60),
}
"""Place -> colour of its sky by day."""


@dataclass(frozen=True)
class View:
    """The background that a place is painted on, of n scenes.

    Attributes:
        sky: float32 (n, 3, 64, 64), the sky over the whole image.
        horizon: float32 (n, 1, 1), a fraction of the height, from the top.
        reach: float32 (n, 1, 1), relative height of what rises above the horizon; small under a
            large sky.
    """

    sky: Tensor
    horizon: Tensor
    reach: Tensor


def background(specs: Specs, *, generator: torch.Generator) -> Tensor:
    """Paint sky and place of each scene."""
    sky = _sky(specs, generator=generator)
    horizon = column(specs.horizon)
    reach = torch.where(column(specs.large_sky), 0.3, 1.0)
    image = torch.empty_like(sky)
    for label, name in enumerate(PLACES):
        rows = (specs.place == label).nonzero().flatten()
        if len(rows):
            view = View(sky[rows], horizon[rows], reach[rows])
            image[rows] = _PAINTERS[name](view, generator=generator)
    return image


def _sky(specs: Specs, *, generator: torch.Generator) -> Tensor:
    """Paint pale clouds by day, a red gradient with a low sun at sunset, or a moon at night.

    The moon is brighter than white here, because the tone darkens the whole scene afterwards.
    """
    count = len(specs.place)
    x, y = axes()
    table = torch.tensor([SKIES[name] for name in PLACES])[specs.place]
    table[specs.tone == NIGHT] = torch.tensor([0.22, 0.34, 0.62])
    sky = jittered(table, 0.05, generator=generator).expand(-1, -1, SIDE, SIDE)
    low = (y / column(specs.horizon)).clamp(0, 1).expand(count, SIDE, SIDE)
    red = torch.lerp(_paint(0.42, 0.25, 0.60), _paint(1.0, 0.62, 0.18), low[:, None])
    sunset = column(specs.tone == SUNSET)
    sky = torch.where(sunset[:, None], red, sky)
    clouds = noise_field(count, 5, 4, generator=generator).clamp(-0.2, 1.2) + 0.2
    share = (0.4 * clouds + 0.25 * y) * torch.where(column(specs.tone >= SUNSET), 0.4, 1.0)
    share = torch.where(column(specs.large_sky), 0.55 + 0.3 * share, share)
    sky = mix(sky, _paint(0.96, 0.96, 0.96), share.clamp(0, 0.9))
    left = column(uniform(count, 0.12, 0.88, generator=generator))
    height = torch.where(sunset, column(specs.horizon) - 0.05, 0.14)
    away = torch.sqrt((x - left) ** 2 + (y - height) ** 2) * SIDE
    shining = sunset | column(specs.tone == NIGHT)
    disc = torch.where(sunset[:, None], _paint(1.25, 1.2, 0.7), _paint(2.9, 2.4, 1.5))
    return mix(sky, disc.expand_as(sky), torch.sigmoid(2 * (5.5 - away)) * shining)


def _paint(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1)


def _plain(n: int, colour: Colour, amount: float, *, generator: torch.Generator) -> Tensor:
    return jittered(torch.tensor([colour]).expand(n, -1), amount, generator=generator)


def _textured(
    n: int, colour: Colour, grid: tuple[int, int], strength: float, *, generator: torch.Generator
) -> Tensor:
    texture = strength * noise_field(n, *grid, generator=generator)
    return _plain(n, colour, 0.03, generator=generator) + texture[:, None]


def _below(line: Tensor) -> Tensor:
    return torch.sigmoid((axes()[1] - line) * SIDE * 1.5)


def beach(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint a band of sea, a line of foam, and sand."""
    n, y = len(view.sky), axes()[1]
    wave = 0.02 * noise_field(n, 1, 5, generator=generator)
    depth = 0.3 + 0.2 * torch.rand(n, 1, 1, generator=generator)
    shore = view.horizon + depth * (1 - view.horizon) + wave
    sea = _textured(n, (0.06, 0.42, 0.66), (24, 3), 0.05, generator=generator)
    sand = _textured(n, (0.93, 0.82, 0.58), (12, 12), 0.03, generator=generator)
    image = mix(view.sky, sea, _below(view.horizon))
    image = mix(image, sand, _below(shore))
    return mix(image, _paint(0.97, 0.98, 1.0), torch.exp(-(((y - shore) * 45) ** 2)))


def forest(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint a wall of dark leaves, dark trunks in front of it, and a green floor."""
    n = len(view.sky)
    x, _ = axes()
    top = view.horizon - view.reach * (0.5 + 0.06 * noise_field(n, 1, 9, generator=generator))
    leaves = _textured(n, (0.13, 0.36, 0.16), (9, 9), 0.06, generator=generator)
    floor = _textured(n, (0.34, 0.44, 0.18), (10, 10), 0.05, generator=generator)
    image = mix(view.sky, leaves, _below(top))
    image = mix(image, floor, _below(view.horizon))
    middle = (torch.arange(6) + torch.rand(n, 6, generator=generator)).view(n, 6, 1) / 6
    half = 0.016 + 0.024 * torch.rand(n, 6, 1, generator=generator)
    trunk = torch.sigmoid(((half - (x - middle).abs()) * SIDE * 2).amax(1, keepdim=True))
    standing = _below(top + 0.04) * (1 - _below(view.horizon + 0.04))
    return mix(image, _paint(0.17, 0.10, 0.06), trunk * standing)


def snow(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint white ground, pale blue hills and large flakes."""
    n = len(view.sky)
    ridge = 0.12 + 0.07 * noise_field(n, 1, 4, generator=generator)
    hills = _plain(n, (0.66, 0.75, 0.88), 0.03, generator=generator)
    ground = _textured(n, (0.94, 0.95, 0.99), (6, 6), 0.025, generator=generator)
    image = mix(view.sky, hills, _below(view.horizon - view.reach * ridge))
    image = mix(image, ground, _below(view.horizon))
    flakes = noise_field(n, 15, 15, generator=generator)
    return mix(image, _paint(1.0, 1.0, 1.0), 0.7 * torch.sigmoid((flakes - 1.4) * 6))


def city(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint buildings with windows above a pavement and a grey road with a dashed line."""
    n = len(view.sky)
    x, y = axes()
    blocks = torch.rand(n, 2, 1, 7, generator=generator).repeat_interleave(10, dim=3)[..., 3:67]
    tall, tint = blocks.unbind(1)
    wall = _paint(0.62, 0.50, 0.46) * (0.55 + 0.6 * tint)[:, None]
    lit = ((x * SIDE).floor() % 10 < 4) & ((y * SIDE).floor() % 10 < 5)
    wall = mix(wall.expand(-1, -1, SIDE, -1), _paint(0.93, 0.88, 0.62), 0.55 * lit.float())
    height = view.reach * (0.12 + 0.42 * tall)
    image = mix(view.sky, wall, _below(view.horizon - height))
    road = _textured(n, (0.36, 0.36, 0.38), (14, 14), 0.02, generator=generator)
    image = mix(image, _paint(0.70, 0.69, 0.67), _below(view.horizon))
    image = mix(image, road, _below(view.horizon + 0.05))
    dash = ((y - 0.62 - 0.38 * view.horizon).abs() < 0.018) & ((x * SIDE).floor() % 18 < 11)
    return mix(image, _paint(0.95, 0.94, 0.85), dash.float())


def kitchen(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint a tiled wall with a window above a wooden counter."""
    n = len(view.sky)
    x, y = axes()
    tiles = _plain(n, (0.84, 0.88, 0.84), 0.05, generator=generator)
    joint = ((x * SIDE).floor() % 16 < 2) | ((y * SIDE).floor() % 16 < 2)
    image = mix(tiles.expand(-1, -1, SIDE, SIDE), _paint(0.56, 0.60, 0.60), joint * 0.4)
    half = 0.12 + 0.3 * (1 - view.reach)
    middle = half + 0.06 + (0.88 - 2 * half) * torch.rand(n, 1, 1, generator=generator)
    tall = 0.62 * view.horizon
    out = torch.maximum((x - middle).abs() - half, (y - 0.06 - tall / 2).abs() - tall / 2) * SIDE
    image = mix(image, _paint(0.97, 0.96, 0.93), torch.sigmoid(2 * (2.2 - out)))
    image = mix(image, view.sky, torch.sigmoid(-2 * out))
    wood = _textured(n, (0.62, 0.41, 0.23), (20, 2), 0.05, generator=generator)
    image = mix(image, wood, _below(view.horizon))
    edge = torch.exp(-(((y - view.horizon) * 50) ** 2))
    return mix(image, _paint(0.34, 0.21, 0.11), edge)


def desert(view: View, *, generator: torch.Generator) -> Tensor:
    """Paint three rows of dunes, each in its own colour."""
    n = len(view.sky)
    x, _ = axes()
    image = view.sky
    colours = ((0.90, 0.68, 0.40), (0.82, 0.57, 0.29), (0.93, 0.73, 0.45))
    for row, colour in enumerate(colours):
        start = view.horizon + (1 - view.horizon) * 0.3 * row
        phase = 6.3 * torch.rand(n, 1, 1, generator=generator)
        ridge = start + 0.045 * view.reach.sqrt() * torch.sin(x * (7.0 - row) + phase)
        sand = _textured(n, colour, (16, 3), 0.02, generator=generator)
        image = mix(image, sand, _below(ridge))
    return image


_PAINTERS: dict[str, Callable[..., Tensor]] = {
    "beach": beach,
    "forest": forest,
    "snow": snow,
    "city": city,
    "kitchen": kitchen,
    "desert": desert,
}
