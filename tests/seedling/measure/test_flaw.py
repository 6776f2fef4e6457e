"""Test that the shipped seedling has the mean-grey flaw and that it is measured correctly."""

import pytest
import torch

from seedling.measure import flaw as measure_flaw
from seedling.measure.drawing import load_shipped


def test_the_seedling_predicts_black_from_noised_latents_and_grey_from_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure_flaw, "SEEDS", 16)
    summaries = measure_flaw.at_the_last_step(load_shipped("seedling"))
    assert summaries["noised"]["mean"] < 0.1 < 0.3 < summaries["noise"]["mean"]
    assert summaries["noised"]["n"] == summaries["noise"]["n"] == 16


def test_brightness_is_summarised_over_images() -> None:
    images = torch.zeros(4, 3, 8, 8)
    images[0] = 1.0
    assert measure_flaw.summary(images) == {"mean": 0.25, "error": 0.25, "bright": 0.25, "n": 4}
