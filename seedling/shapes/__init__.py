"""The objects as signed distance functions, in coordinates of their own."""

from seedling.shapes.primitives import Shape
from seedling.shapes.things import BOX

__all__ = ["SHAPES", "Shape"]

_NAMES = (
    "horse bowl cat dog bird elephant cow bear zebra rabbit bicycle car bus train boat aeroplane "
    "motorcycle truck bench chair couch bed table clock vase cup bottle apple banana cake sandwich "
    "book laptop umbrella backpack kite guitar lamp house tree"
)

SHAPES: dict[str, Shape] = dict.fromkeys(_NAMES.split(), BOX)
"""Object name -> shape; the order is the order of the object labels."""
