"""The twelve objects as signed distance functions, in coordinates of their own.

Every shape lives in about [-1, 1] x [-1, 1], x right and y down, with the origin inside it. A
distance is negative inside. A shape is its outline and a second region, its detail (wheels, a
door, a stem), which is painted in another shade so that the objects differ inside as well as by
their outline. The primitives follow Inigo Quilez, "2D distance functions"
(https://iquilezles.org/articles/distfunctions2d/).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """One object: `outline` and `detail` map (x, y) to signed distances, `shade` paints detail."""

    outline: Callable[[Tensor, Tensor], Tensor]
    detail: Callable[[Tensor, Tensor], Tensor]
    shade: float


def circle(x: Tensor, y: Tensor, cx: float, cy: float, radius: float) -> Tensor:
    """Distance to a disc."""
    return torch.sqrt((x - cx) ** 2 + (y - cy) ** 2 + 1e-12) - radius


def ellipse(x: Tensor, y: Tensor, cx: float, cy: float, rx: float, ry: float) -> Tensor:
    """Distance to an ellipse, to first order: exact in sign, close in size near the edge."""
    scaled = torch.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + 1e-12)
    return (scaled - 1) * min(rx, ry)


def box(x: Tensor, y: Tensor, cx: float, cy: float, hx: float, hy: float) -> Tensor:
    """Distance to a rectangle of half sizes hx, hy (sharp corners: the larger of both axes)."""
    return torch.maximum((x - cx).abs() - hx, (y - cy).abs() - hy)


def capsule(
    x: Tensor, y: Tensor, start: tuple[float, float], end: tuple[float, float], radius: float
) -> Tensor:
    """Distance to a line with round ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    along = along.clamp(0, 1)
    away = (x - start[0] - along * dx) ** 2 + (y - start[1] - along * dy) ** 2
    return torch.sqrt(away + 1e-12) - radius


def wedge(
    x: Tensor, y: Tensor, top: float, bottom: float, half_top: float, half_bottom: float
) -> Tensor:
    """Distance to an upright trapezoid (a triangle when one half width is 0)."""
    slope = (half_bottom - half_top) / (bottom - top)
    side = (x.abs() - half_top - slope * (y - top)) / (1 + slope * slope) ** 0.5
    return torch.maximum(side, torch.maximum(top - y, y - bottom))


def union(*parts: Tensor) -> Tensor:
    """Distance to all parts together."""
    return torch.stack(parts).amin(0)


def cut(part: Tensor, hole: Tensor) -> Tensor:
    """Distance to a part without a hole."""
    return torch.maximum(part, -hole)


def _ball(x: Tensor, y: Tensor) -> Tensor:
    return circle(x, y, 0.0, 0.0, 0.9)


def _ball_detail(x: Tensor, y: Tensor) -> Tensor:
    return (y + 0.25 * x * x).abs() - 0.16


def _box(x: Tensor, y: Tensor) -> Tensor:
    return box(x, y, 0.0, 0.0, 0.8, 0.8)


def _box_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(box(x, y, 0.0, 0.0, 0.12, 0.8), box(x, y, 0.0, 0.0, 0.8, 0.12))


def _cup(x: Tensor, y: Tensor) -> Tensor:
    handle = circle(x, y, 0.62, -0.05, 0.42).abs() - 0.12
    return union(wedge(x + 0.15, y, -0.8, 0.85, 0.68, 0.5), handle)


def _cup_detail(x: Tensor, y: Tensor) -> Tensor:
    return ellipse(x, y, -0.15, -0.68, 0.55, 0.12)


def _bowl(x: Tensor, y: Tensor) -> Tensor:
    half = torch.maximum(ellipse(x, y, 0.0, -0.35, 1.0, 0.95), -0.35 - y)
    return union(half, box(x, y, 0.0, 0.62, 0.4, 0.12))


def _bowl_detail(x: Tensor, y: Tensor) -> Tensor:
    return box(x, y, 0.0, -0.27, 1.0, 0.09)


def _house(x: Tensor, y: Tensor) -> Tensor:
    return union(box(x, y, 0.0, 0.4, 0.65, 0.5), wedge(x, y, -0.95, -0.08, 0.0, 0.95))


def _house_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(box(x, y, 0.25, 0.6, 0.17, 0.32), box(x, y, -0.28, 0.35, 0.17, 0.17))


def _tree(x: Tensor, y: Tensor) -> Tensor:
    crown = union(wedge(x, y, -1.0, -0.2, 0.0, 0.55), wedge(x, y, -0.6, 0.5, 0.1, 0.8))
    return union(crown, box(x, y, 0.0, 0.75, 0.14, 0.3))


def _tree_detail(x: Tensor, y: Tensor) -> Tensor:
    return box(x, y, 0.0, 0.8, 0.2, 0.3)


def _horse(x: Tensor, y: Tensor) -> Tensor:
    legs = [capsule(x, y, (foot, 0.2), (foot, 0.92), 0.1) for foot in (-0.6, -0.33, 0.25, 0.5)]
    neck = capsule(x, y, (0.42, -0.05), (0.68, -0.68), 0.17)
    head = capsule(x, y, (0.66, -0.72), (0.96, -0.5), 0.14)
    tail = capsule(x, y, (-0.68, -0.05), (-0.95, 0.4), 0.08)
    return union(ellipse(x, y, -0.05, 0.05, 0.72, 0.32), neck, head, tail, *legs)


def _horse_detail(x: Tensor, y: Tensor) -> Tensor:
    mane = capsule(x, y, (0.28, -0.15), (0.55, -0.82), 0.08)
    return union(mane, capsule(x, y, (-0.78, 0.1), (-0.95, 0.4), 0.12))


def _car(x: Tensor, y: Tensor) -> Tensor:
    body = union(box(x, y, 0.0, 0.15, 1.0, 0.27), wedge(x, y, -0.5, 0.0, 0.4, 0.65))
    return union(body, circle(x, y, -0.55, 0.42, 0.26), circle(x, y, 0.55, 0.42, 0.26))


def _car_detail(x: Tensor, y: Tensor) -> Tensor:
    wheels = union(circle(x, y, -0.55, 0.42, 0.26), circle(x, y, 0.55, 0.42, 0.26))
    return union(wheels, wedge(x, y, -0.4, -0.1, 0.34, 0.45))


def _fish(x: Tensor, y: Tensor) -> Tensor:
    tail = torch.maximum(y.abs() - (-x - 0.35) * 0.85, -0.98 - x)
    return union(ellipse(x, y, 0.2, 0.0, 0.78, 0.45), tail)


def _fish_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(circle(x, y, 0.65, -0.12, 0.11), box(x, y, 0.25, 0.0, 0.06, 0.4))


def _star(x: Tensor, y: Tensor) -> Tensor:
    sector = torch.pi / 5
    angle = torch.atan2(x, -y)
    folded = (torch.remainder(angle + sector, 2 * sector) - sector).abs()
    radius = torch.sqrt(x * x + y * y + 1e-12)
    px, py = radius * torch.cos(folded), radius * torch.sin(folded)
    tip, inner = 1.0, 0.42
    nx, ny = inner * torch.tensor(sector).sin(), tip - inner * torch.tensor(sector).cos()
    return ((px - tip) * nx + py * ny) / torch.sqrt(nx * nx + ny * ny)


def _star_detail(x: Tensor, y: Tensor) -> Tensor:
    return circle(x, y, 0.0, 0.0, 0.2)


def _mushroom(x: Tensor, y: Tensor) -> Tensor:
    cap = torch.maximum(ellipse(x, y, 0.0, 0.1, 0.95, 0.95), y - 0.1)
    return union(cap, wedge(x, y, 0.0, 0.9, 0.25, 0.36))


def _mushroom_detail(x: Tensor, y: Tensor) -> Tensor:
    dots = union(circle(x, y, -0.4, -0.3, 0.15), circle(x, y, 0.3, -0.45, 0.17))
    return union(box(x, y, 0.0, 0.55, 0.5, 0.42), dots)


def _boat(x: Tensor, y: Tensor) -> Tensor:
    hull = wedge(x, y, 0.3, 0.75, 1.0, 0.6)
    mast = box(x, y, 0.0, -0.3, 0.09, 0.65)
    sail = torch.maximum(torch.maximum(0.0 - x, y - 0.15), (x * 1.2 - y - 0.95) / 1.56)
    return union(hull, mast, sail)


def _boat_detail(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(0.09 - x, y - 0.2)


SHAPES: dict[str, Shape] = {
    "ball": Shape(_ball, _ball_detail, 1.9),
    "box": Shape(_box, _box_detail, 0.45),
    "cup": Shape(_cup, _cup_detail, 0.35),
    "bowl": Shape(_bowl, _bowl_detail, 1.7),
    "house": Shape(_house, _house_detail, 0.35),
    "tree": Shape(_tree, _tree_detail, 0.4),
    "horse": Shape(_horse, _horse_detail, 0.4),
    "car": Shape(_car, _car_detail, 0.25),
    "fish": Shape(_fish, _fish_detail, 0.4),
    "star": Shape(_star, _star_detail, 1.6),
    "mushroom": Shape(_mushroom, _mushroom_detail, 2.2),
    "boat": Shape(_boat, _boat_detail, 2.2),
}
"""Object name -> shape; the order is the order of the object labels."""
