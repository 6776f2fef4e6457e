"""Test that words on signs can be read and that the shares are counted correctly."""

import pytest
import torch
from torch import Tensor

from seedling.measure.legibility import (
    Found,
    Reader,
    blurred,
    edit_distance,
    enlarged,
    is_read,
    measure,
    unchanged,
)
from seedling.world import lettering
from seedling.world.vocabulary import WORDS


def template_reader(threshold: float) -> Reader:
    """Make a reader that finds the best match of the atlas words at any row, without a network."""
    atlas = lettering.atlas() - lettering.atlas().mean(dim=(1, 2), keepdim=True)
    atlas = atlas / atlas.flatten(1).norm(dim=1).view(-1, 1, 1)

    def read(image: Tensor) -> list[Found]:
        windows = image.mean(0).unfold(0, lettering.SIGN, 1).transpose(1, 2)
        windows = windows - windows.mean(dim=(1, 2), keepdim=True)
        windows = windows / (windows.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-6)
        scores = (windows.flatten(1) @ atlas.flatten(1).T).abs()
        best = int(scores.argmax())
        top, word = divmod(best, len(WORDS))
        score = float(scores.flatten()[best])
        return [Found(WORDS[word], score, top + lettering.SIGN / 2)] if score > threshold else []

    return read


@pytest.mark.parametrize("trip", [unchanged, blurred])
def test_words_are_read_and_nothing_else(trip: object) -> None:
    assert callable(trip)
    shares = measure(template_reader(0.8), trip, worded=20, unworded=20, seed=3)
    assert (shares.worded, shares.unworded) == (20, 20)
    assert shares.recall == 1
    assert shares.false_positives == 0


def test_a_reader_that_sees_words_everywhere_and_one_that_sees_none() -> None:
    eager = measure(template_reader(-1), unchanged, worded=5, unworded=5, seed=3)
    assert eager.false_positives > 0
    blind = measure(lambda _: [], unchanged, worded=5, unworded=5, seed=3)
    assert (blind.recall, blind.false_positives) == (0, 0)


def test_half_the_letters_on_the_sign_are_enough() -> None:
    assert is_read([Found("o p 3 n", 0.1, 20.0)], word="OPEN", top=10)
    assert is_read([Found("OP", 0.1, 20.0)], word="OPEN", top=10)
    assert not is_read([Found("O", 0.1, 20.0)], word="OPEN", top=10)
    assert not is_read([Found("OPEN", 1.0, 9.0)], word="OPEN", top=10)
    assert not is_read([], word="OPEN", top=10)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("", "", 0), ("A", "", 1), ("STOP", "SHOP", 1), ("NEWS", "SEWN", 2), ("TAXI", "AXIT", 2)],
)
def test_edit_distance(first: str, second: str, distance: int) -> None:
    assert edit_distance(first, second) == edit_distance(second, first) == distance


def test_the_stand_in_blurs_and_keeps_the_mean() -> None:
    images = torch.zeros(2, 3, 64, 64)
    images[:, :, 30:34, 30:34] = 1
    soft = blurred(images)
    assert 0.5 < float(soft[:, :, 31, 31].mean()) < 0.99
    assert enlarged(images[0]).shape[0] == 3
    assert float(enlarged(images[0]).max()) <= 1
