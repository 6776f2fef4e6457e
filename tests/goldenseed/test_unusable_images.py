"""A run without a usable image does not end with 0; what can be known before is said before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.stable_diffusion import StableDiffusion
from tests.goldenseed import tiny_recipes as tiny
from tests.goldenseed.conftest import Call


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball"}, {"text": "a blue ball"}])
    return tiny.write_recipe(tmp_path, "seedling-mini", prompts)


def flag(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the safety checker replace the first images of each batch."""
    postprocess = StableDiffusion._postprocess

    def flagging(self: StableDiffusion, pixels: torch.Tensor) -> tuple[Any, Any]:
        images, flags = postprocess(self, pixels)
        return images, np.arange(len(flags)) < count

    monkeypatch.setattr(StableDiffusion, "_postprocess", flagging)


@pytest.mark.parametrize("command", ["run", "generate"])
def test_no_image_is_usable(
    call: Call, recipe: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag(10, monkeypatch)
    out = recipe.parent / "run"
    for _ in range(2):  # a repeated command finds nothing to draw, and says the same
        called = call(command, recipe, "--out", out, "--executor", "local")
        assert called.code == 2, called.err
        assert "none of the images that were drawn is usable; the first is flagged" in called.err
        assert "the safety checker replaced the image" in called.err
    assert call("measure", out, "--executor", "local").code == 2


def test_one_usable_image_is_enough(
    call: Call, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag(1, monkeypatch)
    called = call("generate", recipe, "--out", recipe.parent / "run", "--executor", "local")
    assert called.code == 0, called.err


def test_images_of_nan_stop_before_the_first_tile(
    call: Call, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = StableDiffusion._decode
    monkeypatch.setattr(StableDiffusion, "_decode", lambda self, x: decode(self, x) * torch.nan)
    out = recipe.parent / "run"
    called = call("generate", recipe, "--out", out, "--executor", "local")
    assert called.code == 2
    assert "the decoder gave NaN or infinity" in called.err
    assert not list(out.glob("images/**/*.parquet"))


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"num_inference_steps": 1000}, "999 steps work"),
        ({"scheduler_config": {"rescale_betas_zero_snr": True}}, "predicts the noise (epsilon)"),
        ({"scheduler": "dpmpp_2m karras"}, "`scheduler_config: {use_karras_sigmas: true}`"),
        ({"scheduler": "PNDMScheduler", "num_inference_steps": 1}, "5 steps work"),
    ],
)
def test_settings_that_no_image_can_be_drawn_with(
    call: Call, recipe: Path, command: str, sampling: dict[str, Any], message: str
) -> None:
    tiny.write_recipe(
        recipe.parent, "seedling-mini", recipe.parent / "own.jsonl", sampling=sampling
    )
    called = call(command, recipe, "--out", recipe.parent / "run")
    assert called.code == 2
    assert message in called.err
    assert not (recipe.parent / "run").exists()
