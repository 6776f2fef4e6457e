"""Test the diffusion models of pixels: their images, schedules, learning, resuming, drawing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMPipeline, DDPMPipeline, UNet2DModel
from torch import Tensor

from seedling.learning.fitting import Settings
from seedling.learning.pool import scene_chunks
from seedling.randomness import make_generator
from seedling.train.ddpm import (
    MODELS,
    SIDE,
    new_network,
    new_scheduler,
    publish,
    rows_loss,
    small_scenes,
    train,
)
from tests.seedling import tiny_base

WIDTHS = (4, 8, 16, 16)
"""Widths of a network that is fast to test."""


def tiny(name: str) -> UNet2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_network(name, WIDTHS)


def tiny_train(name: str, settings: Settings) -> UNet2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return train(name, settings, WIDTHS)


def test_the_images_are_scenes_at_half_their_size() -> None:
    small = small_scenes(8, seed=3)["images"]
    assert small.shape == (8, 3, SIDE, SIDE)
    scenes, _ = next(scene_chunks(8, 3))
    for row, column in ((0, 0), (31, 7)):
        square = scenes[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        means = square.mean(dim=(2, 3)) * 255
        assert float((small[:, :, row, column] - means).abs().max()) <= 0.51
        assert float((small[:, :, row, column].roll(1, 0) - means).abs().max()) > 10


def test_the_schedules_are_those_of_the_papers() -> None:
    linear, cosine = (new_scheduler(name) for name in MODELS)
    assert torch.allclose(linear.betas, torch.linspace(1e-4, 0.02, 1000))
    share = (torch.arange(1, 1001) / 1000 + 0.008) / 1.008
    start = torch.tensor(0.008 / 1.008)
    expected = (torch.cos(share * torch.pi / 2) / torch.cos(start * torch.pi / 2)).square()
    assert torch.allclose(cosine.alphas_cumprod[:998], expected[:998], atol=1e-4)
    assert not torch.allclose(linear.alphas_cumprod[:998], expected[:998], atol=1e-2)
    assert [scheduler.variance_type for scheduler in (linear, cosine)] == [
        "fixed_small",
        "learned_range",
    ]


def draw(pipe: Any, seeds: tuple[int, ...], **more: Any) -> Tensor:  # noqa: ANN401
    pipe.set_progress_bar_config(disable=True)
    generators = [make_generator(seed) for seed in seeds]
    arguments = {"num_inference_steps": 2, "output_type": "pt"} | more
    drawn = pipe(batch_size=len(seeds), generator=generators, **arguments)
    return torch.as_tensor(drawn.images)


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_is_published_and_draws(name: str, tmp_path: Path) -> None:
    rows = small_scenes(32, seed=11)

    def loss(network: Any) -> float:  # noqa: ANN401
        with torch.no_grad():
            return float(rows_loss(network, new_scheduler(name), rows, make_generator(0)))

    trained = tiny_train(name, tiny_base.settings(tmp_path, steps=15))
    assert loss(trained) < 0.95 * loss(tiny(name))
    publish(trained, name, tmp_path / name)
    pipe = DDPMPipeline.from_pretrained(tmp_path / name)
    assert pipe.unet.dtype == torch.float32
    assert loss(pipe.unet) == pytest.approx(loss(trained), rel=1e-2)
    first, second = draw(pipe, (1, 2)), draw(pipe, (2, 3))
    assert torch.allclose(first[1], second[0], atol=1e-4)
    assert not torch.allclose(first[0], second[0], atol=1e-2)


def test_ddim_draws_the_same_weights(tmp_path: Path) -> None:
    publish(tiny("seedling-ddpm"), "seedling-ddpm", tmp_path / "tiny")
    pipe = DDIMPipeline.from_pretrained(tmp_path / "tiny")
    images = {eta: draw(pipe, (1,), eta=eta, num_inference_steps=4) for eta in (0.0, 1.0)}
    assert float((images[0.0] - images[1.0]).abs().max()) > 1e-2
    again = draw(pipe, (1,), eta=0.0, num_inference_steps=4)
    assert torch.equal(images[0.0], again)


def test_an_interrupted_training_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: tiny_train("seedling-improved-ddpm", settings), tmp_path, monkeypatch
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)
