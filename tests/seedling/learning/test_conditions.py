"""Test outlines, regions, and scenes without their object."""

import torch
from torch import Tensor

from seedling.learning.conditions import (
    KINDS,
    LOWEST_BAND,
    bands_over,
    control_images,
    draw_regions,
    draw_twins,
    outlines,
)
from seedling.randomness import make_generator
from seedling.world.sentences import draw_parts


def masks(count: int) -> Tensor:
    generator = make_generator(1)
    parts = draw_parts(count, generator=generator)
    return draw_twins(parts, generator=generator).scenes.masks


def test_outlines_are_the_pixels_with_a_neighbour_outside() -> None:
    objects = masks(6)
    padded = torch.nn.functional.pad(objects, [1] * 4)  # beyond the border is outside
    shifts = [(dy, dx) for dy in range(3) for dx in range(3)]
    inner = torch.stack([padded[:, dy : dy + 64, dx : dx + 64] for dy, dx in shifts]).all(0)
    assert torch.equal(outlines(objects), objects & ~inner)
    assert 0 < int(outlines(objects).sum()) < int(objects.sum())
    assert not outlines(torch.zeros_like(objects)).any()


def test_control_images_are_white_on_black() -> None:
    images = control_images(outlines(masks(2)))
    assert images.shape == (2, 3, 64, 64)
    assert images.unique().tolist() == [0, 1]


def test_regions_cover_the_object_or_lie_anywhere() -> None:
    objects = masks(1).expand(400, -1, -1)
    regions = draw_regions(objects, generator=make_generator(2))
    hides = (regions | ~objects).all(dim=(1, 2))
    rows = regions.any(2)
    wide = (regions.all(2) == rows).all(1)
    assert 2 / len(KINDS) - 0.1 < float(hides.float().mean()) < 1
    assert 1 / len(KINDS) - 0.1 < float(wide.float().mean()) < 1 / len(KINDS) + 0.1
    assert int(rows[wide].sum(1).min()) >= LOWEST_BAND
    assert int(rows[wide].sum(1).max()) == 64
    assert regions.any(dim=(1, 2)).all()


def test_where_there_is_no_object_there_are_bands() -> None:
    regions = draw_regions(torch.zeros(50, 64, 64, dtype=torch.bool), generator=make_generator(2))
    assert torch.equal(regions.all(2), regions.any(2))
    assert int(regions.any(2).sum(1).min()) >= LOWEST_BAND


def test_bands_over_rows_cover_them_and_end_anywhere() -> None:
    rows = torch.zeros(300, 64, dtype=torch.bool)
    rows[:, 20:46] = True
    bands = bands_over(rows, generator=make_generator(2))
    assert torch.equal(bands.all(2), bands.any(2))
    assert bool((bands.any(2) | ~rows).all())
    first, height = bands.any(2).int().argmax(1), bands.any(2).sum(1)
    assert set(first.tolist()) == set(range(21))
    assert set((first + height - 1).tolist()) == set(range(45, 64))


def test_twins_differ_where_the_object_is_and_keep_their_words() -> None:
    generator = make_generator(5)
    twins = draw_twins(draw_parts(300, generator=generator), generator=generator)
    scenes = twins.scenes
    differs = (scenes.images - twins.clear).abs().amax(1) > 0.02
    plain = scenes.specs.tone == 0  # a sketch's or a painting's outlines reach a little farther
    visible = scenes.masks.any(dim=(1, 2)) & plain & ~scenes.specs.frame & ~scenes.specs.word
    covered = (differs & scenes.masks).sum((1, 2)) / scenes.masks.sum((1, 2)).clamp_min(1)
    assert float(covered[visible].median()) > 0.9
    changed = differs.float().mean((1, 2))
    assert float(changed[visible].max()) < 0.6, "more than an object and its shadow"
    signs = scenes.specs.word.nonzero().flatten().tolist()
    assert 300 * 0.02 < len(signs) < 300 * 0.12
    for row in signs:
        sign = slice(int(scenes.specs.word_top[row]), int(scenes.specs.word_top[row]) + 26)
        assert torch.equal(scenes.images[row, :, sign], twins.clear[row, :, sign])
