"""Signed distances to the simple shapes that objects are composed of.

Each function takes coordinates of shape (B, H, W) and returns distances of that shape, negative
inside. Lists of shapes (`strokes`, `discs`, `boxes`, `polygon`) are computed in one batched
expression. The formulas follow Inigo Quilez, "2D distance functions"
(https://iquilezles.org/articles/distfunctions2d/).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]
"""(x, y) -> signed distance, all of one shape."""

Rows = tuple[tuple[float, ...], ...]


def nothing(x: Tensor, y: Tensor) -> Tensor:
    """Distance to nothing: positive everywhere.

    Example:
        >>> nothing(torch.zeros(2), torch.ones(2)).tolist()
        [9.0, 9.0]
    """
    return torch.full_like(x, 9.0)


@dataclass(frozen=True)
class Shape:
    """One object, in its own coordinates.

    Attributes:
        outline: The whole object, about [-1, 1] x [-1, 1], x right and y down; its lowest point is
            near y = +0.95, so that it stands on the ground.
        detail: A region painted in `shade`; it is clipped at the outline.
        shade: Below 1 darkens the object's colour, above 1 lightens it.
        accent: A region painted in `accent_shade` over the detail; `nothing` for no accent.
        accent_shade: Shade of the accent.
        flies: Whether the object may be above the horizon.
    """

    outline: Distance
    detail: Distance
    shade: float
    accent: Distance = nothing
    accent_shade: float = 1.9
    flies: bool = False


@cache
def _columns(rows: Rows) -> tuple[Tensor, ...]:
    """The columns of a table, each of shape (rows, 1, 1, 1)."""
    return tuple(torch.tensor(rows).T[:, :, None, None, None].contiguous().unbind(0))


def strokes(x: Tensor, y: Tensor, *rows: tuple[float, ...]) -> Tensor:
    """Distance to lines with round ends, each (x0, y0, x1, y1, radius)."""
    x0, y0, x1, y1, radius = _columns(rows)
    dx, dy = x1 - x0, y1 - y0
    px, py = x - x0, y - y0
    along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp_(0, 1)
    away = torch.hypot(px.sub_(along * dx), py.sub_(along * dy))
    return away.sub_(radius).amin(0)


def path(x: Tensor, y: Tensor, radius: float, *points: tuple[float, float]) -> Tensor:
    """Distance to a line through points, drawn with a round pen of the given radius."""
    pairs = pairwise(points)
    return strokes(x, y, *((*start, *end, radius) for start, end in pairs))


def discs(x: Tensor, y: Tensor, *rows: tuple[float, ...]) -> Tensor:
    """Distance to upright ellipses, each (cx, cy, rx, ry); first order, accurate near the edge."""
    cx, cy, rx, ry = _columns(rows)
    px, py = (x - cx).div_(rx), (y - cy).div_(ry)
    scaled = torch.hypot(px, py)
    steep = torch.hypot(px.div_(rx), py.div_(ry)).clamp_(min=1e-6)
    return ((scaled - 1).mul_(scaled).div_(steep)).amin(0)


def leaf(
    x: Tensor, y: Tensor, centre: tuple[float, float], radii: tuple[float, float], degrees: float
) -> Tensor:
    """Distance to an ellipse that is rotated clockwise."""
    turn = torch.tensor(degrees).deg2rad()
    cos, sin = float(turn.cos()), float(turn.sin())
    px, py = x - centre[0], y - centre[1]
    return discs(px * cos + py * sin, py * cos - px * sin, (0.0, 0.0, *radii))


def rings(x: Tensor, y: Tensor, *rows: tuple[float, ...]) -> Tensor:
    """Distance to rings, each (cx, cy, radius of the middle line, half width)."""
    cx, cy, radius, half = _columns(rows)
    return (torch.hypot(x - cx, y - cy).sub_(radius).abs_().sub_(half)).amin(0)


def boxes(x: Tensor, y: Tensor, *rows: tuple[float, ...]) -> Tensor:
    """Distance to upright rectangles, each (left, top, right, bottom)."""
    left, top, right, bottom = _columns(rows)
    across = torch.maximum(left - x, x - right)
    return torch.maximum(across, torch.maximum(top - y, y - bottom)).amin(0)


def polygon(x: Tensor, y: Tensor, *points: tuple[float, float]) -> Tensor:
    """Distance to a closed polygon with the given corners, convex or not."""
    edges = tuple((*a, *b) for a, b in zip(points, points[1:] + points[:1], strict=True))
    x0, y0, x1, y1 = _columns(edges)
    dx, dy = x1 - x0, y1 - y0
    px, py = x - x0, y - y0
    crossed = (y0 > y) != (y1 > y)
    odd = (crossed & ((px * dy < py * dx) == (dy > 0))).sum(0).remainder_(2)
    along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp_(0, 1)
    away = torch.hypot(px.sub_(along * dx), py.sub_(along * dy)).amin(0)
    return away * (1 - 2 * odd)


def union(*parts: Tensor) -> Tensor:
    """Distance to the union of parts."""
    return torch.stack(parts).amin(0)


def both(first: Tensor, second: Tensor) -> Tensor:
    """Distance to the intersection of two parts."""
    return torch.maximum(first, second)


def cut(part: Tensor, hole: Tensor) -> Tensor:
    """Distance to a part with a hole cut out."""
    return torch.maximum(part, -hole)
