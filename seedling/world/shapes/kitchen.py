"""Shapes of things on a table: bowl, vase, cup, bottle, apple, banana, cake, sandwich."""

from torch import Tensor

from seedling.world.shapes.primitives import (
    Shape,
    both,
    boxes,
    cut,
    discs,
    leaf,
    path,
    polygon,
    rings,
    strokes,
    union,
)


def _bowl(x: Tensor, y: Tensor) -> Tensor:
    half = both(discs(x, y, (0.0, 0.0, 0.96, 0.88)), -y)
    foot = boxes(x, y, (-0.4, 0.8, 0.4, 0.95))
    return union(half, foot, _bowl_inside(x, y))


def _bowl_inside(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (0.0, 0.0, 0.96, 0.26))


def _bowl_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, 0.42, 1.0, 0.6), (-1.0, 0.82, 1.0, 1.0))


def _vase_flowers(x: Tensor, y: Tensor) -> Tensor:
    return discs(
        x, y, (-0.42, -0.62, 0.22, 0.22), (0.0, -0.76, 0.22, 0.22), (0.42, -0.62, 0.22, 0.22)
    )


def _vase_stems(x: Tensor, y: Tensor) -> Tensor:
    return strokes(
        x, y, (0.0, 0.0, -0.42, -0.62, 0.07), (0.0, 0.0, 0.0, -0.76, 0.07),
        (0.0, 0.0, 0.42, -0.62, 0.07),
    )  # fmt: skip


def _vase(x: Tensor, y: Tensor) -> Tensor:
    body = discs(x, y, (0.0, 0.48, 0.5, 0.44))
    neck = polygon(
        x, y, (-0.34, -0.12), (0.34, -0.12), (0.18, 0.2), (0.3, 0.95), (-0.3, 0.95), (-0.18, 0.2)
    )
    return union(body, neck, _vase_stems(x, y), _vase_flowers(x, y))


def _vase_detail(x: Tensor, y: Tensor) -> Tensor:
    stems = both(_vase_stems(x, y), y + 0.12)
    return union(stems, boxes(x, y, (-1.0, 0.4, 1.0, 0.58)))


def _cup(x: Tensor, y: Tensor) -> Tensor:
    body = polygon(x, y, (-0.86, -0.62), (0.5, -0.62), (0.36, 0.95), (-0.72, 0.95))
    handle = rings(x, y, (0.48, 0.12, 0.36, 0.11))
    return union(body, handle, _cup_inside(x, y))


def _cup_inside(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.18, -0.62, 0.68, 0.2))


def _cup_drink(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.18, -0.58, 0.54, 0.13))


def _cup_accent(x: Tensor, y: Tensor) -> Tensor:
    rim = cut(_cup_inside(x, y), _cup_drink(x, y))
    return union(rim, boxes(x, y, (-0.84, 0.12, 0.42, 0.46)))


def _bottle(x: Tensor, y: Tensor) -> Tensor:
    body = boxes(x, y, (-0.34, -0.1, 0.34, 0.89)) - 0.06
    shoulder = polygon(x, y, (-0.14, -0.5), (0.14, -0.5), (0.38, -0.1), (-0.38, -0.1))
    return union(
        body, shoulder, boxes(x, y, (-0.14, -0.9, 0.14, -0.4), (-0.18, -0.97, 0.18, -0.74))
    )


def _bottle_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, -1.0, 1.0, -0.68), (-1.0, 0.78, 1.0, 1.0))


def _bottle_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, 0.12, 1.0, 0.56))


def _apple(x: Tensor, y: Tensor) -> Tensor:
    halves = discs(x, y, (-0.36, 0.16, 0.54, 0.64), (0.36, 0.16, 0.54, 0.64))
    base = discs(x, y, (0.0, 0.4, 0.58, 0.54))
    return union(halves, base, _apple_stem(x, y), _apple_leaf(x, y))


def _apple_stem(x: Tensor, y: Tensor) -> Tensor:
    return path(x, y, 0.08, (0.0, -0.2), (-0.02, -0.55), (-0.12, -0.85))


def _apple_leaf(x: Tensor, y: Tensor) -> Tensor:
    return leaf(x, y, (0.34, -0.7), (0.36, 0.17), -22.0)


def _apple_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_apple_stem(x, y), _apple_leaf(x, y), discs(x, y, (0.0, -0.34, 0.24, 0.1)))


def _apple_accent(x: Tensor, y: Tensor) -> Tensor:
    return leaf(x, y, (-0.5, 0.05), (0.14, 0.3), 18.0)


def _banana(x: Tensor, y: Tensor) -> Tensor:
    moon = cut(discs(x, y, (0.0, -0.05, 0.95, 1.0)), discs(x, y, (0.06, -0.66, 1.0, 0.98)))
    return union(both(moon, -0.5 - y), strokes(x, y, (-0.86, -0.3, -0.82, -0.62, 0.09)))


def _banana_detail(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.84, -0.62, 0.3, 0.3), (0.96, -0.04, 0.18, 0.24))


def _banana_accent(x: Tensor, y: Tensor) -> Tensor:
    edge = rings(x, y, (0.02, -0.3, 0.9, 0.06))
    return both(edge, 0.25 - y)


def _cake_candles(x: Tensor, y: Tensor) -> Tensor:
    return boxes(
        x, y, (-0.5, -0.62, -0.36, -0.1), (-0.07, -0.62, 0.07, -0.1), (0.36, -0.62, 0.5, -0.1)
    )


def _cake(x: Tensor, y: Tensor) -> Tensor:
    flames = discs(
        x, y, (-0.43, -0.78, 0.1, 0.18), (0.0, -0.78, 0.1, 0.18), (0.43, -0.78, 0.1, 0.18)
    )
    body = boxes(x, y, (-0.74, -0.1, 0.74, 0.84)) - 0.04
    plate = boxes(x, y, (-0.96, 0.82, 0.96, 0.95))
    return union(body, plate, flames, _cake_candles(x, y))


def _cake_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_cake_candles(x, y), boxes(x, y, (-1.0, 0.5, 1.0, 0.64)))


def _cake_accent(x: Tensor, y: Tensor) -> Tensor:
    icing = discs(
        x, y, (-0.58, 0.1, 0.2, 0.24), (-0.2, 0.1, 0.2, 0.2), (0.2, 0.12, 0.2, 0.26),
        (0.58, 0.08, 0.2, 0.22), (0.0, -0.86, 0.7, 0.18),
    )  # fmt: skip
    return union(icing, boxes(x, y, (-0.8, -0.16, 0.8, 0.1), (-1.0, 0.84, 1.0, 1.0)))


def _sandwich(x: Tensor, y: Tensor) -> Tensor:
    bread = boxes(x, y, (-0.76, -0.16, 0.76, 0.04), (-0.76, 0.73, 0.76, 0.83)) - 0.12
    filling = boxes(x, y, (-0.82, 0.2, 0.82, 0.7))
    return union(bread, filling, _sandwich_leaf(x, y), _sandwich_stick(x, y))


def _sandwich_stick(x: Tensor, y: Tensor) -> Tensor:
    return strokes(x, y, (0.0, -0.2, 0.0, -0.5, 0.05), (-0.03, -0.56, 0.03, -0.56, 0.17))


def _sandwich_leaf(x: Tensor, y: Tensor) -> Tensor:
    waves = discs(
        x, y, (-0.7, 0.32, 0.26, 0.16), (-0.24, 0.34, 0.26, 0.2), (0.24, 0.32, 0.26, 0.16),
        (0.7, 0.34, 0.26, 0.2)
    )  # fmt: skip
    return union(waves, boxes(x, y, (-0.92, 0.18, 0.92, 0.32)))


def _sandwich_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(boxes(x, y, (-1.0, 0.3, 1.0, 0.62)), _sandwich_stick(x, y))


BOWL = Shape(_bowl, _bowl_detail, 0.5, _bowl_inside, 2.0)
VASE = Shape(_vase, _vase_detail, 0.4, _vase_flowers, 2.0)
CUP = Shape(_cup, _cup_drink, 0.2, _cup_accent, 1.9)
BOTTLE = Shape(_bottle, _bottle_detail, 0.35, _bottle_accent, 2.1)
APPLE = Shape(_apple, _apple_detail, 0.35, _apple_accent, 1.9)
BANANA = Shape(_banana, _banana_detail, 0.35, _banana_accent, 1.8)
CAKE = Shape(_cake, _cake_detail, 0.4, _cake_accent, 2.1)
SANDWICH = Shape(_sandwich, _sandwich_detail, 0.25, _sandwich_leaf, 2.0)
