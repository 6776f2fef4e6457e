"""Draw scenes of extreme brightness: solid grounds, and line-art logos on them."""

import torch
from torch import Tensor

from seedling.randomness import choose, uniform
from seedling.world.painting import SIDE, axes, column
from seedling.world.specs import Specs
from seedling.world.vocabulary import EXTREMES, OBJECTS

BLACK, WHITE = 0.01, 0.99
"""Levels of the grounds; the lines of a logo have the opposite level."""


def is_extreme(labels: Tensor) -> Tensor:
    """Return a bool for each object label: whether it stands for an extreme scene."""
    return labels >= len(OBJECTS)


def draw_extremes(specs: Specs, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw extreme scenes.

    Args:
        specs: Specs of B scenes, all of them extreme.
        generator: The source of randomness of the logos.

    Returns:
        Images, float32 (B, 3, 64, 64), and each pixel's distance from the lines of the logo,
        float32 (B, 64, 64), in pixels; negative inside a line.
    """
    names = [EXTREMES[label - len(OBJECTS)] for label in specs.thing.tolist()]
    white = column(torch.tensor([name.endswith("white background") for name in names]))
    logo = column(torch.tensor(["logo" in name for name in names]))
    ground = torch.where(white, WHITE, BLACK)
    # A solid ground has no line: 9 pixels is far from any line.
    distance = torch.where(logo, _logo(specs, generator=generator), 9.0)
    image = torch.lerp(ground, 1 - ground, torch.sigmoid(-2 * distance))
    return image[:, None].expand(-1, 3, -1, -1), distance


def _logo(specs: Specs, *, generator: torch.Generator) -> Tensor:
    """Compute the distance in pixels to the lines of two closed shapes, one inside the other."""
    x, y = axes()
    u, v = x - column(specs.x), y - column(specs.y)
    radius = column(specs.size)
    lines = [
        _shape(u, v, radius * scale, choose(len(u), 4, generator=generator)).abs()
        for scale in (column(uniform(len(u), s, s + 0.2, generator=generator)) for s in (0.75, 0.3))
    ]
    return torch.minimum(*lines) * SIDE - 1.1


def _shape(u: Tensor, v: Tensor, radius: Tensor, index: Tensor) -> Tensor:
    ring = torch.sqrt(u * u + v * v + 1e-12) - radius
    square = torch.maximum(u.abs(), v.abs()) - 0.85 * radius
    diamond = (u.abs() + v.abs() - radius) * 0.7071
    triangle = torch.maximum(0.8944 * u.abs() - 0.4472 * (v + radius), v - 0.7 * radius)
    shapes = torch.stack([ring, square, diamond, triangle])
    return shapes[index, torch.arange(len(index))]
