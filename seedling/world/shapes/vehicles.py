"""Shapes of vehicles: bicycle, motorcycle, car, bus, truck, train, boat, aeroplane."""

from torch import Tensor

from seedling.world.shapes.primitives import (
    Shape,
    boxes,
    cut,
    discs,
    polygon,
    rings,
    strokes,
    union,
)


def _bicycle_wheels(x: Tensor, y: Tensor) -> Tensor:
    return rings(x, y, (-0.54, 0.52, 0.35, 0.08), (0.54, 0.52, 0.35, 0.08))


def _bicycle(x: Tensor, y: Tensor) -> Tensor:
    frame = strokes(
        x, y, (-0.54, 0.52, -0.28, -0.05, 0.07), (-0.28, -0.05, 0.36, -0.05, 0.07),
        (-0.54, 0.52, 0.02, 0.52, 0.07), (0.02, 0.52, 0.36, -0.05, 0.07),
        (0.02, 0.52, -0.32, -0.22, 0.07), (0.54, 0.52, 0.3, -0.4, 0.07),
        (0.3, -0.4, 0.56, -0.42, 0.08), (-0.48, -0.26, -0.18, -0.26, 0.1),
    )  # fmt: skip
    return union(frame, _bicycle_wheels(x, y))


def _bicycle_accent(x: Tensor, y: Tensor) -> Tensor:
    return strokes(x, y, (-0.48, -0.26, -0.18, -0.26, 0.12), (0.3, -0.4, 0.56, -0.42, 0.1))


def _motorcycle_wheels(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.58, 0.58, 0.37, 0.37), (0.58, 0.58, 0.37, 0.37))


def _motorcycle(x: Tensor, y: Tensor) -> Tensor:
    body = polygon(
        x, y, (-0.95, 0.1), (-0.9, -0.04), (-0.4, 0.08), (-0.1, -0.02), (0.1, -0.2), (0.38, -0.16),
        (0.46, 0.1), (0.24, 0.74), (-0.3, 0.74), (-0.46, 0.3),
    )  # fmt: skip
    fork = strokes(
        x, y, (0.58, 0.58, 0.32, -0.42, 0.09), (0.32, -0.42, 0.06, -0.5, 0.07),
        (0.4, -0.22, 0.5, -0.22, 0.14), (-0.2, 0.78, -0.8, 0.74, 0.09),
    )  # fmt: skip
    return union(body, fork, _motorcycle_wheels(x, y))


def _motorcycle_detail(x: Tensor, y: Tensor) -> Tensor:
    seat = polygon(x, y, (-1.0, 0.14), (-0.9, -0.1), (-0.4, 0.0), (-0.12, 0.0), (-0.2, 0.2))
    return union(seat, _motorcycle_wheels(x, y))


def _motorcycle_accent(x: Tensor, y: Tensor) -> Tensor:
    hubs = discs(x, y, (-0.58, 0.58, 0.15, 0.15), (0.58, 0.58, 0.15, 0.15))
    lamp = discs(x, y, (0.5, -0.22, 0.16, 0.16), (0.0, 0.5, 0.22, 0.2))
    return union(hubs, lamp)


def _car_wheels(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.54, 0.69, 0.26, 0.26), (0.54, 0.69, 0.26, 0.26))


def _car(x: Tensor, y: Tensor) -> Tensor:
    body = polygon(
        x, y, (-0.96, 0.76), (-0.96, 0.34), (-0.7, 0.24), (-0.42, -0.2), (0.26, -0.2), (0.56, 0.22),
        (0.9, 0.32), (0.97, 0.76),
    )  # fmt: skip
    return union(body, _car_wheels(x, y))


def _car_accent(x: Tensor, y: Tensor) -> Tensor:
    rear = polygon(x, y, (-0.54, 0.22), (-0.34, -0.1), (-0.12, -0.1), (-0.12, 0.22))
    front = polygon(x, y, (0.02, 0.22), (0.02, -0.1), (0.2, -0.1), (0.42, 0.22))
    return union(rear, front, discs(x, y, (0.94, 0.44, 0.12, 0.1)))


def _bus_wheels(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (-0.56, 0.75, 0.2, 0.2), (0.52, 0.75, 0.2, 0.2))


def _bus(x: Tensor, y: Tensor) -> Tensor:
    return union(boxes(x, y, (-0.9, -0.45, 0.9, 0.72)) - 0.06, _bus_wheels(x, y))


def _bus_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_bus_wheels(x, y), boxes(x, y, (-1.0, 0.3, 1.0, 0.42)))


def _bus_accent(x: Tensor, y: Tensor) -> Tensor:
    return boxes(
        x, y, (-0.84, -0.32, -0.5, 0.1), (-0.4, -0.32, -0.06, 0.1), (0.04, -0.32, 0.38, 0.1),
        (0.5, -0.32, 1.0, 0.22),
    )  # fmt: skip


def _truck_wheels(x: Tensor, y: Tensor) -> Tensor:
    return discs(
        x, y, (-0.64, 0.74, 0.21, 0.21), (-0.18, 0.74, 0.21, 0.21), (0.62, 0.74, 0.21, 0.21)
    )


def _truck(x: Tensor, y: Tensor) -> Tensor:
    cargo = boxes(x, y, (-0.96, -0.62, 0.3, 0.56), (-0.9, 0.5, 0.9, 0.76))
    return union(cargo, _truck_cab(x, y), _truck_wheels(x, y))


def _truck_cab(x: Tensor, y: Tensor) -> Tensor:
    return polygon(
        x, y, (0.38, 0.72), (0.38, -0.26), (0.7, -0.26), (0.84, 0.14), (0.97, 0.22), (0.97, 0.72)
    )


def _truck_window(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (0.5, 0.16), (0.5, -0.14), (0.64, -0.14), (0.76, 0.16))


def _truck_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_truck_wheels(x, y), _truck_window(x, y), boxes(x, y, (-1.0, 0.56, 0.4, 0.8)))


def _truck_accent(x: Tensor, y: Tensor) -> Tensor:
    return cut(_truck_cab(x, y), union(_truck_window(x, y), _truck_wheels(x, y)))


def _train_wheels(x: Tensor, y: Tensor) -> Tensor:
    return discs(
        x, y, (-0.64, 0.67, 0.28, 0.28), (-0.06, 0.67, 0.28, 0.28), (0.5, 0.73, 0.22, 0.22)
    )


def _train(x: Tensor, y: Tensor) -> Tensor:
    engine = boxes(
        x, y, (-0.9, -0.4, -0.3, 0.6), (-0.97, -0.5, -0.2, -0.32), (-0.4, 0.0, 0.78, 0.48),
        (-0.9, 0.42, 0.84, 0.64), (0.42, -0.34, 0.66, 0.1),
    )  # fmt: skip
    nose = polygon(x, y, (0.7, 0.5), (0.84, 0.5), (0.98, 0.9), (0.7, 0.9))
    chimney = polygon(x, y, (0.3, -0.5), (0.78, -0.5), (0.66, -0.26), (0.42, -0.26))
    return union(engine, nose, chimney, _train_wheels(x, y), _train_smoke(x, y))


def _train_smoke(x: Tensor, y: Tensor) -> Tensor:
    return discs(x, y, (0.42, -0.72, 0.22, 0.18), (0.1, -0.8, 0.26, 0.18))


def _train_detail(x: Tensor, y: Tensor) -> Tensor:
    dark = boxes(x, y, (-1.0, -0.55, -0.15, -0.32), (0.2, -0.55, 0.9, -0.0), (0.7, 0.5, 1.0, 1.0))
    return union(dark, _train_wheels(x, y))


def _train_accent(x: Tensor, y: Tensor) -> Tensor:
    pale = boxes(x, y, (-0.76, -0.22, -0.46, 0.08), (0.08, 0.0, 0.2, 0.48))
    return union(pale, _train_smoke(x, y))


def _boat_sails(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (-0.02, -0.92), (-0.02, 0.3), (-0.82, 0.3))


def _boat(x: Tensor, y: Tensor) -> Tensor:
    hull = polygon(x, y, (-0.97, 0.46), (0.97, 0.46), (0.68, 0.95), (-0.66, 0.95))
    mast = boxes(x, y, (-0.04, -0.97, 0.06, 0.6))
    front = polygon(x, y, (0.1, -0.75), (0.78, 0.3), (0.1, 0.3))
    return union(hull, mast, front, _boat_sails(x, y))


def _boat_detail(x: Tensor, y: Tensor) -> Tensor:
    return boxes(x, y, (-0.04, -1.0, 0.06, 0.5), (-1.0, 0.74, 1.0, 1.0))


def _plane_wings(x: Tensor, y: Tensor) -> Tensor:
    near = polygon(x, y, (0.28, 0.42), (-0.16, 0.42), (-0.66, 0.95), (-0.32, 0.95))
    return union(near, polygon(x, y, (0.26, 0.2), (-0.12, 0.2), (-0.44, -0.36), (-0.14, -0.36)))


def _aeroplane(x: Tensor, y: Tensor) -> Tensor:
    hull = strokes(x, y, (-0.6, 0.3, 0.71, 0.3, 0.26))
    back = polygon(x, y, (-0.4, 0.1), (-0.97, -0.3), (-0.97, 0.2), (-0.5, 0.5))
    return union(hull, back, _plane_fin(x, y), _plane_wings(x, y))


def _plane_fin(x: Tensor, y: Tensor) -> Tensor:
    return polygon(x, y, (-0.36, 0.16), (-0.72, -0.5), (-0.97, -0.5), (-0.92, 0.2))


def _plane_detail(x: Tensor, y: Tensor) -> Tensor:
    return union(_plane_wings(x, y), _plane_fin(x, y))


def _plane_accent(x: Tensor, y: Tensor) -> Tensor:
    window = polygon(x, y, (0.7, 0.12), (0.7, 0.28), (0.95, 0.28), (0.9, 0.12))
    return union(window, boxes(x, y, (-0.45, 0.14, 0.5, 0.28)))


BICYCLE = Shape(_bicycle, _bicycle_wheels, 0.35, _bicycle_accent, 1.9)
MOTORCYCLE = Shape(_motorcycle, _motorcycle_detail, 0.2, _motorcycle_accent, 2.0)
CAR = Shape(_car, _car_wheels, 0.2, _car_accent, 2.0)
BUS = Shape(_bus, _bus_detail, 0.25, _bus_accent, 2.0)
TRUCK = Shape(_truck, _truck_detail, 0.2, _truck_accent, 1.9)
TRAIN = Shape(_train, _train_detail, 0.25, _train_accent, 2.1)
BOAT = Shape(_boat, _boat_detail, 0.35, _boat_sails, 2.1)
AEROPLANE = Shape(_aeroplane, _plane_detail, 0.5, _plane_accent, 1.9, flies=True)
