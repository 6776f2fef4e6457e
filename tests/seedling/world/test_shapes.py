"""Test the 40 objects: they stand, fill their box, have inner regions, and differ."""

import pytest
import torch
from torch import Tensor

from seedling.world.shapes import SHAPES
from seedling.world.shapes.atlas import REACH, distances
from seedling.world.shapes.primitives import boxes, discs, nothing, polygon, rings, strokes

NAMES = list(SHAPES)
POINTS = 96
WANTED = """
horse bowl cat dog bird elephant cow bear zebra rabbit bicycle car bus train boat aeroplane
motorcycle truck bench chair couch bed table clock vase cup bottle apple banana cake sandwich book
laptop umbrella backpack kite guitar lamp house tree
"""


def _grid(points: int = POINTS, reach: float = 1.2) -> tuple[Tensor, Tensor]:
    axis = torch.linspace(-reach, reach, points)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x[None], y[None]


def _levels(name: str, points: int = POINTS) -> Tensor:
    """The object as levels of light: 0 outside, 1 its colour, 0.4 darker, 1.6 lighter."""
    x, y = _grid(points)
    shape = SHAPES[name]
    level = torch.ones_like(x)
    level[shape.detail(x, y) < 0] = 1.6 if shape.shade > 1 else 0.4
    level[shape.accent(x, y) < 0] = 1.6 if shape.accent_shade > 1 else 0.4
    return level * (shape.outline(x, y) < 0)


def test_the_labels_keep_their_order() -> None:
    assert WANTED.split() == NAMES


def test_only_what_flies_may_leave_the_ground() -> None:
    assert [name for name in NAMES if SHAPES[name].flies] == ["bird", "aeroplane", "kite"]


@pytest.mark.parametrize("name", NAMES)
def test_an_object_stands_on_the_ground_and_fills_its_box(name: str) -> None:
    x, y = _grid(241)
    inside = SHAPES[name].outline(x, y) < 0
    across, down = x[inside], y[inside]
    assert 0.9 <= down.max() <= 1.0
    assert max(across.max() - across.min(), down.max() - down.min()) > 1.75
    assert across.abs().max() <= 1.02
    assert down.min() >= -1.02


@pytest.mark.parametrize("name", NAMES)
def test_an_inner_region_is_large_enough_to_be_seen(name: str) -> None:
    level = _levels(name)
    inside = level > 0
    share = (inside & (level != 1)).sum() / inside.sum()
    assert 0.08 < share < 0.75, f"{share:.2f} of the {name} is not in its main colour"


def test_no_two_objects_are_nearly_alike() -> None:
    """8 x 8 cells over the box distinguish any two objects, mirrored or not."""
    cells = torch.stack(
        [torch.nn.functional.adaptive_avg_pool2d(_levels(name), 8).flatten() for name in NAMES]
    )
    mirrored = cells.view(-1, 8, 8).flip(2).flatten(1)
    distance = torch.minimum(torch.cdist(cells, cells), torch.cdist(cells, mirrored))
    distance.fill_diagonal_(9.0)
    assert distance.min() > 1.0, [NAMES[i] for i in divmod(int(distance.argmin()), len(NAMES))]
    # Control: an object and the same object slightly moved are near.
    moved = _levels("horse").roll(2, dims=-1)
    near = torch.nn.functional.adaptive_avg_pool2d(moved, 8).flatten() - cells[0]
    assert near.norm() < 1.0


def test_the_table_gives_what_the_functions_give_near_every_edge() -> None:
    generator = torch.Generator().manual_seed(3)
    spread = 2 * REACH * torch.rand(2, len(NAMES), 64, 64, generator=generator) - REACH
    table = distances(torch.arange(len(NAMES)), spread[0], spread[1])
    for label, shape in enumerate(SHAPES.values()):
        x, y = spread[:, label, None]
        for part, looked_up in zip((shape.outline, shape.detail, shape.accent), table, strict=True):
            exact = part(x, y)
            near = exact.abs() < 0.1
            wrong = (looked_up[label, None] - exact)[near].abs() > 0.015
            assert wrong.float().sum() <= 0.01 * near.sum()


def test_the_table_goes_by_the_label_of_each_row() -> None:
    x, y = (field.expand(3, -1, -1) for field in _grid(16))
    mixed = distances(torch.tensor([5, 40, 2]), x, y)[0]
    assert torch.equal(mixed[0], distances(torch.tensor([5]), x[:1], y[:1])[0][0])
    assert not torch.equal(mixed[0], mixed[2])
    assert (mixed[1] == 9).all()


def test_primitives_are_distances() -> None:
    x, y = torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[0.0, 0.0]]])
    square = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    expected = torch.tensor([[[-1.0, 1.0]]])
    assert torch.allclose(polygon(x, y, *square), expected)
    assert torch.allclose(polygon(x, y, *square[::-1]), expected)
    assert torch.allclose(boxes(x, y, (-1.0, -1.0, 1.0, 1.0)), expected)
    assert torch.allclose(strokes(x, y, (0.0, 0.0, 0.0, 1.0, 1.0)), expected)
    assert torch.allclose(rings(x, y, (0.0, 0.0, 1.0, 0.25)), torch.tensor([[[0.75, 0.75]]]))
    assert (nothing(x, y) > 0).all()


def test_a_flat_ellipse_has_its_true_width_at_the_tip_and_at_the_side() -> None:
    """The scaled circle alone would give 0.02 for a point 0.1 beyond the long tip."""
    x, y = torch.tensor([[[1.1, 0.0]]]), torch.tensor([[[0.0, 0.3]]])
    table = discs(x, y, (0.0, 0.0, 1.0, 0.2))
    assert torch.allclose(table, torch.tensor([[[0.1, 0.1]]]), atol=0.03)
    assert abs((1.1 - 1) * 0.2 - 0.1) > 0.03
