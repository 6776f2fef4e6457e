"""Shapes of the smaller animals and the bear: cat, dog, bird, bear, rabbit."""

from torch import Tensor

from seedling.world.shapes.primitives import (
    Shape,
    boxes,
    discs,
    leaf,
    path,
    polygon,
    strokes,
    union,
)


def _cat_tail(x: Tensor, y: Tensor) -> Tensor:
    return path(x, y, 0.11, (-0.2, 0.84), (-0.66, 0.8), (-0.74, 0.3), (-0.6, -0.1))


def _cat_ears(x: Tensor, y: Tensor) -> Tensor:
    return union(
        polygon(x, y, (-0.12, -0.3), (-0.12, -0.98), (0.3, -0.56)),
        polygon(x, y, (0.66, -0.3), (0.66, -0.98), (0.24, -0.56)),
    )


def _cat(x: Tensor, y: Tensor) -> Tensor:
    body = discs(x, y, (0.1, 0.55, 0.44, 0.4), (0.27, -0.28, 0.42, 0.36))
    chest = polygon(x, y, (0.0, -0.1), (0.5, -0.1), (0.58, 0.95), (-0.1, 0.95))
    return union(body, chest, _cat_tail(x, y), _cat_ears(x, y))


def _cat_detail(x: Tensor, y: Tensor) -> Tensor:
    eyes = discs(x, y, (0.1, -0.34, 0.09, 0.09), (0.46, -0.34, 0.09, 0.09))
    return union(eyes, _cat_tail(x, y), _cat_ears(x, y + 0.06))


def _cat_accent(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (0.28, -0.1, 0.2, 0.13), (0.3, 0.42, 0.17, 0.36))


def _dog_ear(x: Tensor, y: Tensor) -> Tensor:
    return leaf(x, y, (0.34, -0.38), (0.14, 0.34), 10.0)


def _dog(x: Tensor, y: Tensor) -> Tensor:
    body = strokes(
        x, y, (-0.42, 0.16, 0.28, 0.12, 0.24), (0.3, 0.05, 0.48, -0.4, 0.2),
        (0.52, -0.48, 0.56, -0.44, 0.26), (0.56, -0.36, 0.82, -0.32, 0.13),
    )  # fmt: skip
    legs = strokes(
        x, y, (-0.54, 0.2, -0.6, 0.85, 0.1), (-0.36, 0.2, -0.32, 0.85, 0.1),
        (0.2, 0.2, 0.18, 0.85, 0.1), (0.4, 0.1, 0.44, 0.85, 0.1),
    )  # fmt: skip
    tail = path(x, y, 0.09, (-0.58, 0.08), (-0.78, -0.16), (-0.8, -0.5))
    return union(body, legs, tail, _dog_ear(x, y))


def _dog_detail(x: Tensor, y: Tensor) -> Tensor:
    nose = discs(x, y, (0.92, -0.38, 0.1, 0.1))
    saddle = discs(x, y, (-0.25, -0.02, 0.36, 0.22))
    return union(nose, saddle, _dog_ear(x, y))


def _dog_accent(x: Tensor, y: Tensor) -> Tensor:
    chest = discs(x, y, (0.5, 0.14, 0.17, 0.3), (0.74, -0.26, 0.17, 0.1))
    return union(chest, boxes(x, y, (-1.0, 0.72, 1.0, 1.0)), discs(x, y, (-0.8, -0.52, 0.14, 0.18)))


def _bird(x: Tensor, y: Tensor) -> Tensor:
    body = leaf(x, y, (-0.02, 0.5), (0.62, 0.38), -18.0)
    head = discs(x, y, (0.52, 0.16, 0.29, 0.28))
    tail = polygon(x, y, (-0.35, 0.45), (-0.97, 0.5), (-0.9, 0.92), (-0.3, 0.8))
    return union(body, head, tail, _bird_beak(x, y), _bird_wing(x, y))


def _bird_wing(x: Tensor, y: Tensor) -> Tensor:
    return polygon(
        x, y, (0.3, 0.4), (0.1, -0.3), (-0.3, -0.95), (-0.72, -0.7), (-0.6, -0.1), (-0.3, 0.45)
    )


def _bird_beak(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (0.72, 0.0), (0.99, 0.2), (0.72, 0.34))


def _bird_accent(x: Tensor, y: Tensor) -> Tensor:
    return union(_bird_beak(x, y), discs(x, y, (0.22, 0.68, 0.36, 0.2)))


def _bear_ears(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.42, -0.75, 0.2, 0.2), (0.42, -0.75, 0.2, 0.2))


def _bear(x: Tensor, y: Tensor) -> Tensor:
    mass = discs(
        x, y, (0.0, 0.4, 0.64, 0.55), (0.0, -0.38, 0.54, 0.44),
        (-0.6, 0.72, 0.3, 0.23), (0.6, 0.72, 0.3, 0.23),
    )  # fmt: skip
    arms = strokes(x, y, (-0.5, 0.15, -0.72, 0.36, 0.17), (0.5, 0.15, 0.72, 0.36, 0.17))
    return union(mass, arms, _bear_ears(x, y))


def _bear_detail(x: Tensor, y: Tensor) -> Tensor:
    dark = discs(
        x, y, (-0.68, 0.74, 0.2, 0.16), (0.68, 0.74, 0.2, 0.16),
        (-0.24, -0.5, 0.08, 0.08), (0.24, -0.5, 0.08, 0.08),
    )  # fmt: skip
    return union(dark, _bear_ears(x, y))


def _bear_accent(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (0.0, -0.2, 0.28, 0.2), (0.0, 0.42, 0.34, 0.34))


def _rabbit_ears(x: Tensor, y: Tensor) -> Tensor:
    left = leaf(x, y, (0.14, -0.56), (0.13, 0.42), -16.0)
    return union(left, leaf(x, y, (0.46, -0.56), (0.13, 0.42), 8.0))


def _rabbit(x: Tensor, y: Tensor) -> Tensor:
    mass = discs(
        x, y, (-0.18, 0.48, 0.55, 0.47), (0.38, 0.02, 0.36, 0.3), (-0.7, 0.64, 0.2, 0.2),
        (0.3, 0.5, 0.26, 0.42),
    )  # fmt: skip
    return union(mass, strokes(x, y, (0.3, 0.84, 0.52, 0.84, 0.11)), _rabbit_ears(x, y))


def _rabbit_detail(x: Tensor, y: Tensor) -> Tensor:
    inner = leaf(x, y, (0.14, -0.56), (0.06, 0.34), -16.0)
    return union(
        inner, leaf(x, y, (0.46, -0.56), (0.06, 0.34), 8.0),
        discs(x, y, (0.48, -0.04, 0.08, 0.08), (-0.24, 0.64, 0.3, 0.28)),
    )  # fmt: skip


def _rabbit_accent(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.72, 0.64, 0.2, 0.2), (0.36, 0.52, 0.16, 0.24), (0.62, 0.1, 0.14, 0.1))


CAT = Shape(_cat, _cat_detail, 0.4, _cat_accent, 1.9)
DOG = Shape(_dog, _dog_detail, 0.3, _dog_accent, 2.0)
BIRD = Shape(_bird, _bird_wing, 0.5, _bird_accent, 2.0, flies=True)
BEAR = Shape(_bear, _bear_detail, 0.4, _bear_accent, 1.9)
RABBIT = Shape(_rabbit, _rabbit_detail, 0.55, _rabbit_accent, 2.2)
