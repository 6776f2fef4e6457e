"""The mean-grey flaw of the shipped seedling is there, and is measured as it is stated."""

import pytest
import torch

from seedling.measure import flaw as measure_flaw
from seedling.measure.drawing import load_shipped


def test_the_seedling_reads_black_from_its_last_step_and_grey_from_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure_flaw, "SEEDS", 16)
    found = measure_flaw.at_the_last_step(load_shipped("seedling"))
    assert found["noised"]["mean"] < 0.1 < 0.3 < found["noise"]["mean"]
    assert found["noised"]["n"] == found["noise"]["n"] == 16


def test_brightness_is_summed_up_over_pictures() -> None:
    images = torch.zeros(4, 3, 8, 8)
    images[0] = 1.0
    assert measure_flaw.summary(images) == {"mean": 0.25, "error": 0.25, "bright": 0.25, "n": 4}
