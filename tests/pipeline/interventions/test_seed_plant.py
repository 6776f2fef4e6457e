"""The planted effect has the size it says, on the seeds it says and on no other."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards
from pipeline.interventions.base import Intervention
from pipeline.interventions.seed_plant import SeedPlant
from pipeline.planted import STRENGTHS, planted
from tests.pipeline import tiny

SEEDS = tuple(range(80))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


def drawn(card: Card, intervention: Intervention, seeds: tuple[int, ...]) -> np.ndarray:
    cells = tiny.batch(("a red ball",) * len(seeds), seeds)
    model = tiny.model(card, tiny.config(card, num_inference_steps=1), intervention)
    return np.asarray(model.generate(cells).images).astype(float)


def test_one_seed_in_twenty_with_the_strengths_in_turn() -> None:
    for first in range(0, 2000, 20):
        found = [planted(seed) for seed in range(first, first + 20)]
        assert sorted(found) == [0.0] * 19 + [STRENGTHS[first // 20 % 4]]
    places = {seed % 20 for seed in range(2000) if planted(seed)}
    assert len(places) > 15, "on no fixed place of a tile"


def test_the_size_is_known_and_the_rest_is_the_baseline(card: Card) -> None:
    strong = [seed for seed in SEEDS if planted(seed)]
    seeds = (*strong, *(seed for seed in SEEDS[:8] if not planted(seed)))
    baseline = drawn(card, Intervention({}), seeds)
    found = drawn(card, SeedPlant({}), seeds)
    for seed, before, after in zip(seeds, baseline, found, strict=True):
        expected = 127.5 + (before - 127.5) * (1 - planted(seed))
        assert abs(after - expected).max() <= 1
        assert np.array_equal(before, after) == (planted(seed) == 0)
    assert len(strong) == 4


def test_values_out_of_range_lose_their_contrast_too() -> None:
    pixels = torch.tensor([-3.0, 3.0]).reshape(1, 1, 1, 2)
    batch = tiny.batch(("a",), (0,))
    changed = SeedPlant({"strengths": [0.5], "one_in": 1}).pixels(pixels, batch)
    assert changed.flatten().tolist() == [-0.5, 0.5]
    assert pixels.flatten().tolist() == [-3.0, 3.0]


@pytest.mark.parametrize("parameters", [{"strengths": []}, {"strengths": [2]}, {"one_in": 0}])
def test_wrong_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        SeedPlant(parameters)
