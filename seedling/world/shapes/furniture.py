"""Shapes of furniture: bench, chair, couch, bed, table, clock, lamp."""

from torch import Tensor

from seedling.world.shapes.primitives import Shape, boxes, cut, discs, polygon, strokes, union


def _bench_irons(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.76, -0.2, -0.58, 0.95), (0.58, -0.2, 0.76, 0.95))


def _bench(x: Tensor, y: Tensor) -> Tensor:
    slats = boxes(
        x, y, (-0.96, -0.2, 0.96, -0.04), (-0.96, 0.08, 0.96, 0.24), (-0.96, 0.42, 0.96, 0.62)
    )
    return union(slats, _bench_irons(x, y))


def _bench_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, 0.42, 1.0, 0.52))


def _chair(x: Tensor, y: Tensor) -> Tensor:
    back = polygon(x, y, (-0.62, -0.95), (-0.36, -0.95), (-0.28, 0.2), (-0.5, 0.2))
    legs = strokes(x, y, (-0.4, 0.2, -0.5, 0.86, 0.1), (0.46, 0.2, 0.52, 0.86, 0.1))
    rung = boxes(x, y, (-0.45, 0.52, 0.5, 0.62))
    return union(back, legs, rung, _chair_seat(x, y))


def _chair_seat(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.44, 0.04, 0.56, 0.16)) - 0.06


def _chair_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, 0.22, 1.0, 1.0))


def _couch(x: Tensor, y: Tensor) -> Tensor:
    body = boxes(x, y, (-0.72, -0.06, 0.72, 0.78)) - 0.08
    arms = boxes(x, y, (-0.88, 0.3, -0.68, 0.8), (0.68, 0.3, 0.88, 0.8)) - 0.08
    return union(body, arms, boxes(x, y, (-0.8, 0.8, -0.62, 0.95), (0.62, 0.8, 0.8, 0.95)))


def _couch_detail(x: Tensor, y: Tensor) -> Tensor:
    gaps = boxes(x, y, (-0.6, 0.64, 0.6, 0.74), (-0.04, -0.1, 0.04, 0.7))
    return union(gaps, boxes(x, y, (-1.0, 0.86, 1.0, 1.0)))


def _couch_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.54, 0.44, -0.08, 0.6), (0.08, 0.44, 0.54, 0.6)) - 0.04


def _bed_boards(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.97, -0.42, -0.8, 0.95), (0.8, 0.05, 0.97, 0.95))


def _bed(x: Tensor, y: Tensor) -> Tensor:
    return union(boxes(x, y, (-0.9, 0.2, 0.9, 0.78)), _bed_boards(x, y), _bed_pillow(x, y))


def _bed_pillow(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.7, -0.02, -0.36, 0.12)) - 0.1


def _bed_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_bed_boards(x, y), boxes(x, y, (-0.9, 0.62, 0.9, 0.8)))


def _bed_accent(x: Tensor, y: Tensor) -> Tensor:
    return union(_bed_pillow(x, y), boxes(x, y, (-0.8, 0.18, -0.2, 0.62)))


def _table(x: Tensor, y: Tensor) -> Tensor:
    top = boxes(x, y, (-0.97, -0.1, 0.97, 0.1))
    left = polygon(x, y, (-0.84, 0.0), (-0.62, 0.0), (-0.72, 0.95), (-0.84, 0.95))
    right = polygon(x, y, (0.84, 0.0), (0.62, 0.0), (0.72, 0.95), (0.84, 0.95))
    return union(top, left, right, _table_cloth(x, y))


def _table_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, 0.1, 1.0, 1.0))


def _table_cloth(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (-0.46, -0.1), (0.46, -0.1), (0.0, 0.5))


def _clock_feet(x: Tensor, y: Tensor) -> Tensor:
    return strokes(
        x, y, (-0.4, 0.6, -0.6, 0.87, 0.09), (0.4, 0.6, 0.6, 0.87, 0.09),
        (-0.62, -0.66, -0.42, -0.8, 0.16), (0.62, -0.66, 0.42, -0.8, 0.16),
    )  # fmt: skip


def _clock(x: Tensor, y: Tensor) -> Tensor:
    return union(discs(x, y, (0.0, 0.08, 0.78, 0.78)), _clock_feet(x, y))


def _clock_hands(x: Tensor, y: Tensor) -> Tensor:
    return strokes(x, y, (0.0, 0.08, 0.0, -0.36, 0.08), (0.0, 0.08, 0.32, 0.24, 0.08))


def _clock_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_clock_hands(x, y), cut(_clock_feet(x, y), discs(x, y, (0.0, 0.08, 0.78, 0.78))))


def _clock_accent(x: Tensor, y: Tensor) -> Tensor:
    return cut(discs(x, y, (0.0, 0.08, 0.56, 0.56)), _clock_hands(x, y))


def _lamp(x: Tensor, y: Tensor) -> Tensor:
    shade = polygon(x, y, (-0.3, -0.95), (0.3, -0.95), (0.66, -0.1), (-0.66, -0.1))
    return union(shade, _lamp_foot(x, y))


def _lamp_foot(x: Tensor, y: Tensor) -> Tensor:
    foot = polygon(x, y, (-0.2, 0.7), (0.2, 0.7), (0.52, 0.95), (-0.52, 0.95))
    return union(boxes(x, y, (-0.12, -0.1, 0.12, 0.9)), foot)


def _lamp_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-1.0, -0.36, 1.0, -0.1))


BENCH = Shape(_bench, _bench_irons, 0.25, _bench_accent, 1.8)
CHAIR = Shape(_chair, _chair_detail, 0.45, _chair_seat, 1.9)
COUCH = Shape(_couch, _couch_detail, 0.4, _couch_accent, 1.85)
BED = Shape(_bed, _bed_detail, 0.35, _bed_accent, 2.1)
TABLE = Shape(_table, _table_detail, 0.45, _table_cloth, 2.0)
CLOCK = Shape(_clock, _clock_detail, 0.2, _clock_accent, 2.1)
LAMP = Shape(_lamp, _lamp_foot, 0.3, _lamp_accent, 2.0)
