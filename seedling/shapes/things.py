"""Objects."""

from torch import Tensor

from seedling.shapes.primitives import Shape, boxes


def _box(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.7, -0.7, 0.7, 0.95))


def _box_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.12, -0.7, 0.12, 0.95))


BOX = Shape(_box, _box_detail, 0.4)
