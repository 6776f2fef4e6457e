"""Shapes of large four-legged animals from the side: horse, elephant, cow, zebra."""

import torch
from torch import Tensor

from seedling.world.shapes.primitives import (
    Shape,
    both,
    boxes,
    discs,
    path,
    polygon,
    strokes,
    union,
)


def _horse_tail(x: Tensor, y: Tensor) -> Tensor:
    return path(x, y, 0.1, (-0.66, -0.02), (-0.86, 0.15), (-0.88, 0.55))


def _horse(x: Tensor, y: Tensor) -> Tensor:
    trunk = polygon(
        x, y, (-0.68, -0.1), (-0.35, -0.2), (0.1, -0.14), (0.28, -0.3), (0.4, -0.76), (0.5, -0.98),
        (0.62, -0.76), (0.96, -0.44), (0.84, -0.26), (0.6, -0.42), (0.53, -0.1), (0.5, 0.2),
        (0.3, 0.32), (-0.3, 0.28), (-0.62, 0.35), (-0.74, 0.1),
    )  # fmt: skip
    legs = strokes(
        x, y, (-0.6, 0.25, -0.64, 0.87, 0.08), (-0.42, 0.25, -0.38, 0.87, 0.08),
        (0.24, 0.25, 0.22, 0.87, 0.08), (0.42, 0.2, 0.48, 0.87, 0.08),
    )  # fmt: skip
    return union(trunk, legs, _horse_tail(x, y))


def _horse_detail(x: Tensor, y: Tensor) -> Tensor:
    mane = path(x, y, 0.12, (0.1, -0.2), (0.26, -0.42), (0.4, -0.88))
    return union(mane, _horse_tail(x, y))


def _horse_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.76, 0.62, 0.7, 1.0))


def _elephant(x: Tensor, y: Tensor) -> Tensor:
    mass = discs(x, y, (-0.25, 0.02, 0.62, 0.58), (0.45, -0.15, 0.38, 0.42))
    trunk = path(x, y, 0.12, (0.66, -0.1), (0.8, 0.3), (0.76, 0.68), (0.86, 0.76))
    legs = boxes(x, y, (-0.8, 0.1, -0.42, 0.95), (-0.02, 0.1, 0.36, 0.95))
    tail = strokes(x, y, (-0.8, -0.1, -0.92, 0.35, 0.05))
    return union(mass, trunk, legs, tail, _elephant_accent(x, y))


def _elephant_detail(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (0.2, -0.12, 0.28, 0.4))


def _elephant_accent(x: Tensor, y: Tensor) -> Tensor:
    return path(x, y, 0.07, (0.6, 0.16), (0.78, 0.28), (0.96, 0.18))


def _cow(x: Tensor, y: Tensor) -> Tensor:
    trunk = polygon(
        x, y, (-0.82, -0.28), (0.3, -0.3), (0.5, -0.5), (0.78, -0.5), (0.97, -0.1), (0.92, 0.08),
        (0.72, 0.08), (0.56, 0.05), (0.5, 0.3), (0.35, 0.46), (-0.72, 0.46), (-0.86, 0.2),
    )  # fmt: skip
    legs = boxes(
        x, y, (-0.8, 0.3, -0.6, 0.95), (-0.52, 0.3, -0.36, 0.95),
        (0.08, 0.3, 0.24, 0.95), (0.3, 0.3, 0.48, 0.95),
    )  # fmt: skip
    return union(trunk, legs, discs(x, y, (-0.22, 0.5, 0.2, 0.18)), _cow_horns(x, y))


def _cow_horns(x: Tensor, y: Tensor) -> Tensor:
    return union(
        path(x, y, 0.07, (0.54, -0.44), (0.36, -0.54), (0.34, -0.76)),
        path(x, y, 0.07, (0.72, -0.44), (0.9, -0.54), (0.92, -0.76)),
    )


def _cow_detail(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.56, -0.12, 0.26, 0.3), (0.14, 0.12, 0.27, 0.3), (0.56, -0.36, 0.13, 0.2))


def _cow_accent(x: Tensor, y: Tensor) -> Tensor:
    spots = discs(x, y, (-0.22, 0.54, 0.2, 0.16), (0.9, -0.02, 0.16, 0.17))
    return union(spots, _cow_horns(x, y), discs(x, y, (-0.2, -0.08, 0.13, 0.2)))


def _zebra(x: Tensor, y: Tensor) -> Tensor:
    """A grazing zebra: its head is down, unlike the horse's."""
    trunk = polygon(
        x, y, (-0.8, -0.36), (-0.4, -0.42), (0.05, -0.4), (0.32, -0.4), (0.62, -0.06), (0.8, 0.34),
        (0.98, 0.76), (0.92, 0.93), (0.76, 0.92), (0.6, 0.58), (0.46, 0.36), (0.26, 0.24),
        (-0.3, 0.26), (-0.66, 0.3), (-0.88, 0.0),
    )  # fmt: skip
    legs = strokes(
        x, y, (-0.7, 0.15, -0.74, 0.86, 0.09), (-0.5, 0.2, -0.44, 0.86, 0.09),
        (-0.06, 0.15, -0.1, 0.86, 0.09), (0.14, 0.15, 0.18, 0.86, 0.09),
    )  # fmt: skip
    ears = strokes(x, y, (0.72, 0.24, 0.86, 0.06, 0.08))
    tail = path(x, y, 0.06, (-0.82, -0.28), (-0.93, 0.0), (-0.92, 0.4))
    return union(trunk, legs, ears, tail)


def _zebra_stripes(x: Tensor, y: Tensor) -> Tensor:
    """Bands across the body that follow the neck, and a dark nose."""
    along = x + (0.15 + 0.75 * ((x - 0.2) * 2).clamp(0, 1)) * y
    bands = (torch.remainder(along / 0.38, 1) - 0.5).abs().mul(0.38) - 0.095
    return both(bands, y - 0.62)


def _zebra_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_zebra_stripes(x, y), discs(x, y, (0.84, 0.9, 0.2, 0.16)))


HORSE = Shape(_horse, _horse_detail, 0.3, _horse_accent, 1.9)
ELEPHANT = Shape(_elephant, _elephant_detail, 0.5, _elephant_accent, 2.2)
COW = Shape(_cow, _cow_detail, 0.2, _cow_accent, 2.1)
ZEBRA = Shape(_zebra, _zebra_detail, 0.1)
