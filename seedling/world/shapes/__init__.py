"""The 40 objects as signed distance functions, in coordinates of their own.

Every object lives in about [-1, 1] x [-1, 1], x right and y down. It is its outline and two
regions inside, the detail and the accent, painted in other shades, so that objects differ inside
as well as by their outline. All are drawn to be told apart by large features alone, at 64 pixels
and blurred. The objects are those of the synthetic prompts, in their order.
"""

from seedling.world.shapes import animals, furniture, hoofed, kitchen, things, vehicles
from seedling.world.shapes.primitives import Shape

__all__ = ["SHAPES", "Shape"]

SHAPES: dict[str, Shape] = {
    "horse": hoofed.HORSE,
    "bowl": kitchen.BOWL,
    "cat": animals.CAT,
    "dog": animals.DOG,
    "bird": animals.BIRD,
    "elephant": hoofed.ELEPHANT,
    "cow": hoofed.COW,
    "bear": animals.BEAR,
    "zebra": hoofed.ZEBRA,
    "rabbit": animals.RABBIT,
    "bicycle": vehicles.BICYCLE,
    "car": vehicles.CAR,
    "bus": vehicles.BUS,
    "train": vehicles.TRAIN,
    "boat": vehicles.BOAT,
    "aeroplane": vehicles.AEROPLANE,
    "motorcycle": vehicles.MOTORCYCLE,
    "truck": vehicles.TRUCK,
    "bench": furniture.BENCH,
    "chair": furniture.CHAIR,
    "couch": furniture.COUCH,
    "bed": furniture.BED,
    "table": furniture.TABLE,
    "clock": furniture.CLOCK,
    "vase": kitchen.VASE,
    "cup": kitchen.CUP,
    "bottle": kitchen.BOTTLE,
    "apple": kitchen.APPLE,
    "banana": kitchen.BANANA,
    "cake": kitchen.CAKE,
    "sandwich": kitchen.SANDWICH,
    "book": things.BOOK,
    "laptop": things.LAPTOP,
    "umbrella": things.UMBRELLA,
    "backpack": things.BACKPACK,
    "kite": things.KITE,
    "guitar": things.GUITAR,
    "lamp": furniture.LAMP,
    "house": things.HOUSE,
    "tree": things.TREE,
}
"""Object name -> shape; the order is the order of the object labels."""
