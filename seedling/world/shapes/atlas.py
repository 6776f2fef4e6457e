"""Look up the distances of all objects in one table instead of computing them for each scene.

A distance changes slowly, so bilinear interpolation between grid points is accurate enough, and a
lookup costs the same for simple and for complex objects.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from seedling.world.shapes import SHAPES

REACH = 1.5
"""The table covers [-REACH, REACH]^2; outside it, the distance at the border is used."""

POINTS = 193
"""Points of the table along one axis: 64 per unit, about three per pixel for large objects."""


@cache
def _table() -> Tensor:
    """Distances to outline, detail and accent, float32 (objects, 3, POINTS, POINTS)."""
    axis = torch.linspace(-REACH, REACH, POINTS)
    y, x = (coordinates[None] for coordinates in torch.meshgrid(axis, axis, indexing="ij"))
    rows = [(shape.outline, shape.detail, shape.accent) for shape in SHAPES.values()]
    return torch.stack([torch.cat([part(x, y) for part in row]) for row in rows])


def distances(thing: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Look up signed distances to the outline, the detail and the accent of each scene's object.

    Args:
        thing: Object labels, int64 (B,), indices into `SHAPES`; other labels mean no object.
        x: Coordinates in the object's own system, float32 (B, H, W), right.
        y: Coordinates in the object's own system, float32 (B, H, W), down.

    Returns:
        Three float32 tensors (B, H, W) in the object's own units: negative inside the object, and
        9 everywhere if there is no object. Within 0.1 of an edge, the error of 99 % of the
        values is less than 0.015, a quarter of a pixel.

    Example:
        >>> apple = torch.tensor([list(SHAPES).index("apple")])
        >>> centre = torch.zeros(1, 1, 1)
        >>> bool(distances(apple, centre, centre + 0.4)[0] < 0)
        True
    """
    values = x.new_full((3, *x.shape), 9.0)
    for label in sorted(set(thing.tolist()) & set(range(len(SHAPES)))):
        rows = (thing == label).nonzero().flatten()
        points = torch.stack((x[rows], y[rows]), -1).div_(REACH).flatten(0, 1)[None]
        sampled = functional.grid_sample(
            _table()[label, None], points, padding_mode="border", align_corners=True
        )
        values[:, rows] = sampled.view(3, len(rows), *x.shape[1:])
    return values[0], values[1], values[2]
