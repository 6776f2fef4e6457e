"""Shapes of other things: book, laptop, umbrella, backpack, kite, guitar, house, tree."""

from torch import Tensor

from seedling.world.shapes.primitives import (
    Shape,
    both,
    boxes,
    cut,
    discs,
    path,
    polygon,
    strokes,
    union,
)


def _book(x: Tensor, y: Tensor) -> Tensor:
    left = polygon(x, y, (0.0, 0.05), (-0.97, -0.25), (-0.97, 0.65), (0.0, 0.95))
    return union(left, polygon(x, y, (0.0, 0.05), (0.97, -0.25), (0.97, 0.65), (0.0, 0.95)))


def _book_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.09, -0.2, 0.09, 1.0))


def _book_accent(x: Tensor, y: Tensor) -> Tensor:
    left = polygon(x, y, (-0.07, 0.05), (-0.8, -0.18), (-0.8, 0.5), (-0.07, 0.74))
    return union(left, polygon(x, y, (0.07, 0.05), (0.8, -0.18), (0.8, 0.5), (0.07, 0.74)))


def _laptop(x: Tensor, y: Tensor) -> Tensor:
    return union(boxes(x, y, (-0.7, -0.5, 0.7, 0.5)), _laptop_base(x, y))


def _laptop_base(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (-0.7, 0.5), (0.7, 0.5), (0.97, 0.95), (-0.97, 0.95))


def _laptop_screen(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.56, -0.36, 0.56, 0.34))


def _umbrella(x: Tensor, y: Tensor) -> Tensor:
    dome = both(discs(x, y, (0.0, 0.05, 0.97, 1.0)), y - 0.05)
    scallops = discs(
        x, y, (-0.65, 0.1, 0.29, 0.16), (0.0, 0.1, 0.29, 0.16), (0.65, 0.1, 0.29, 0.16)
    )
    return union(cut(dome, scallops), _umbrella_stick(x, y))


def _umbrella_stick(x: Tensor, y: Tensor) -> Tensor:
    hook = path(x, y, 0.08, (0.0, -0.1), (0.0, 0.76), (0.12, 0.87), (0.26, 0.8), (0.28, 0.66))
    return both(hook, -0.06 - y)


def _umbrella_accent(x: Tensor, y: Tensor) -> Tensor:
    return both(discs(x, y, (0.0, 0.05, 0.36, 1.0)), y + 0.06)


def _backpack(x: Tensor, y: Tensor) -> Tensor:
    body = boxes(x, y, (-0.42, -0.46, 0.42, 0.75)) - 0.2
    handle = path(x, y, 0.08, (-0.24, -0.6), (-0.2, -0.88), (0.2, -0.88), (0.24, -0.6))
    return union(body, handle, _backpack_sides(x, y))


def _backpack_sides(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.78, 0.3, -0.66, 0.78), (0.66, 0.3, 0.78, 0.78)) - 0.08


def _backpack_detail(x: Tensor, y: Tensor) -> Tensor:
    pocket = boxes(x, y, (-0.36, 0.28, 0.36, 0.74)) - 0.06
    handle = boxes(x, y, (-0.4, -1.0, 0.4, -0.66))
    return union(pocket, handle, _backpack_sides(x, y))


def _backpack_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.7, -0.14, 0.7, 0.0), (-0.1, 0.32, 0.1, 0.46))


def _kite_panels(x: Tensor, y: Tensor) -> Tensor:
    upper = polygon(x, y, (0.1, -0.95), (0.1, -0.38), (-0.6, -0.38))
    return union(upper, polygon(x, y, (0.1, -0.38), (0.8, -0.38), (0.1, 0.5)))


def _kite(x: Tensor, y: Tensor) -> Tensor:
    sail = polygon(x, y, (0.1, -0.97), (0.86, -0.38), (0.1, 0.55), (-0.66, -0.38))
    string = path(x, y, 0.06, (0.1, 0.5), (-0.2, 0.62), (-0.46, 0.6), (-0.76, 0.86))
    return union(sail, string, _kite_bows(x, y))


def _kite_bows(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.28, 0.62, 0.16, 0.17), (-0.76, 0.8, 0.17, 0.17))


def _guitar(x: Tensor, y: Tensor) -> Tensor:
    body = discs(x, y, (0.0, 0.56, 0.5, 0.39), (0.0, 0.12, 0.37, 0.3))
    return union(body, _guitar_neck(x, y))


def _guitar_neck(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.08, -0.8, 0.08, 0.2), (-0.16, -0.97, 0.16, -0.7))


def _guitar_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_guitar_neck(x, y), discs(x, y, (0.0, 0.3, 0.17, 0.17)))


def _guitar_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.22, 0.6, 0.22, 0.72))


def _house_roof(x: Tensor, y: Tensor) -> Tensor:
    roof = polygon(x, y, (0.0, -0.92), (0.97, -0.02), (-0.97, -0.02))
    return union(roof, boxes(x, y, (0.4, -0.92, 0.64, -0.3)))


def _house(x: Tensor, y: Tensor) -> Tensor:
    return union(boxes(x, y, (-0.76, -0.1, 0.76, 0.95)), _house_roof(x, y))


def _house_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_house_roof(x, y), boxes(x, y, (-0.16, 0.42, 0.16, 0.95)))


def _house_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.6, 0.2, -0.3, 0.56), (0.3, 0.2, 0.6, 0.56))


def _tree(x: Tensor, y: Tensor) -> Tensor:
    crown = discs(
        x, y, (0.0, -0.55, 0.5, 0.42), (-0.42, -0.12, 0.48, 0.42), (0.42, -0.12, 0.48, 0.42)
    )
    return union(crown, _tree_trunk(x, y))


def _tree_trunk(x: Tensor, y: Tensor) -> Tensor:
    trunk = polygon(x, y, (-0.13, 0.1), (0.13, 0.1), (0.26, 0.95), (-0.26, 0.95))
    return both(trunk, 0.2 - y)


def _tree_accent(x: Tensor, y: Tensor) -> Tensor:
    return strokes(x, y, (-0.5, -0.26, -0.5, -0.24, 0.15), (-0.05, -0.68, -0.04, -0.68, 0.15))


BOOK = Shape(_book, _book_detail, 0.35, _book_accent, 2.2)
LAPTOP = Shape(_laptop, _laptop_base, 0.45, _laptop_screen, 2.1)
UMBRELLA = Shape(_umbrella, _umbrella_stick, 0.25, _umbrella_accent, 1.85)
BACKPACK = Shape(_backpack, _backpack_detail, 0.45, _backpack_accent, 1.9)
KITE = Shape(_kite, _kite_bows, 0.3, _kite_panels, 1.9, flies=True)
GUITAR = Shape(_guitar, _guitar_detail, 0.2, _guitar_accent, 1.9)
HOUSE = Shape(_house, _house_detail, 0.4, _house_accent, 2.1)
TREE = Shape(_tree, _tree_trunk, 0.3, _tree_accent, 1.7)
