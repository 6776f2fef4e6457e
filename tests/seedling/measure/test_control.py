"""Test the measurement of the ControlNet: an untrained ControlNet changes no image."""

from pathlib import Path

import pytest
import torch

from seedling.learning.relatives import Base, publish
from seedling.measure import control as measure_control
from seedling.train.control import new_controlnet


@pytest.mark.parametrize("steers", [False, True])
def test_an_untrained_controlnet_changes_nothing(
    base: Base, tmp_path: Path, *, steers: bool
) -> None:
    network = new_controlnet(base.networks.unet)
    if steers:
        torch.nn.init.constant_(network.controlnet_mid_block.bias, 3.0)
    publish({"controlnet": network}, tmp_path / "control")
    figures, sheet = measure_control.measure(base, tmp_path / "control", count=4, seed=5)
    assert sheet.shape == (3, 4, 3, 64, 64)
    same = torch.allclose(sheet[1], sheet[2], atol=2 / 255)
    assert same is not steers
    if same:
        assert figures["outline"] == figures["plain"]
    assert figures["true"]["iou"]["value"] > figures["plain"]["iou"]["value"]  # type: ignore[index]
