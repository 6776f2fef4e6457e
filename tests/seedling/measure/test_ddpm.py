"""Test the measurement of the models of pixels: what it gives if step noise matters, and if not."""

from pathlib import Path
from typing import Any

import torch

from seedling.measure.ddpm import WAYS, Way, measure
from seedling.train.ddpm import MODELS, new_network, publish

WIDTHS = (4, 8, 16, 16)


def test_step_noise_alone_moves_the_images_of_a_seed(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = new_network("seedling-ddpm", WIDTHS)
    publish(network, "seedling-ddpm", tmp_path / "tiny")
    way = Way("DDIMPipeline", 5, 0.0)
    ways = {"first": way, "again": way, "noisy": Way("DDIMPipeline", 5, 1.0)}
    figures, sheet = measure(tmp_path / "tiny", ways, count=36, seed=5)
    assert sheet.shape == (3, 16, 3, 32, 32)
    numbers: dict[str, Any] = figures
    assert numbers["again"]["difference"]["value"] == 0
    assert numbers["noisy"]["difference"]["value"] > 0.5
    distance = numbers["first"]["frechet_perceptual"]
    assert distance["drawn"] > 2 * distance["floor"], "an untrained network draws no scenes"


def test_each_model_is_drawn_in_several_ways() -> None:
    assert set(WAYS) == set(MODELS)
    assert all(len(ways) > 2 for ways in WAYS.values())
