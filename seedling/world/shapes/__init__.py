"""The 40 objects as signed distance functions, each in its own coordinates.

Each object fills about [-1, 1] x [-1, 1], x right and y down. It consists of an outline and two
inner regions, the detail and the accent, which are painted in other shades. Objects can be told
apart by their large features alone, at 64 pixels and blurred. They are the objects of the synthetic
prompts, in the same order.
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
"""Object name -> shape; the label of an object is its index, as in `vocabulary.OBJECTS`."""
