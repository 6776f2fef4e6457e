"""Test the training command of SingDiffusion's network at tiny sizes."""

from pathlib import Path

import pytest
import torch

from pipeline.interventions.singdiffusion import load_network, without_time
from seedling.learning.loop import Budget
from seedling.learning.pool import Pool
from seedling.networks.model import new_unet
from seedling.randomness import make_generator
from seedling.train import singdiffusion as train_singdiffusion
from seedling.train.singdiffusion import BASE, Text, image_loss, latent_scale, publish, train


@pytest.fixture(scope="module")
def text() -> Text:
    return Text.of(BASE)


def pool(count: int = 8) -> Pool:
    generator = make_generator(2)
    latents = torch.randn(count, 16, 8, 8, generator=generator).half()
    return Pool(latents, torch.zeros(count, 14), torch.zeros(count, 8, 8))


def trained(text: Text, folder: Path, steps: int) -> torch.nn.Module:
    budget = Budget(minutes=60, rate=3e-3, steps=steps)
    network: torch.nn.Module = train(
        pool(), text, scale=1.0, budget=budget, batch=4, folder=folder, channels=(8, 8)
    )
    return network


def test_it_learns_publishes_and_loads(text: Text, tmp_path: Path) -> None:
    network = trained(text, tmp_path, steps=3)
    publish(network, BASE, tmp_path / "out")
    loaded = load_network(tmp_path / "out")
    noise, states = (
        torch.randn(2, 16, 8, 8, generator=make_generator(1)),
        text.states(["", "a cat"]),
    )
    with torch.no_grad():
        trained_output, loaded_output = (g(noise, 1, states).sample for g in (network, loaded))
    torch.testing.assert_close(trained_output, loaded_output, atol=1e-2, rtol=1e-2)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "config.json", "diffusion_pytorch_model.safetensors", "text_encoder", "tokenizer",
    }  # fmt: skip


def test_the_time_is_not_an_input(text: Text) -> None:
    noise, states = torch.ones(1, 16, 8, 8), text.states(["a cat"])
    unet = new_unet((8, 8), pooled_text=False)
    with torch.no_grad():
        early, late = (unet(noise, t, states).sample for t in (1, 999))
        assert not torch.equal(early, late), "a time that no test would notice"
        timeless = without_time(unet)
        early, late = (timeless(noise, t, states).sample for t in (1, 999))
    assert torch.equal(early, late)


def test_the_loss_is_the_error_of_the_image(text: Text) -> None:
    """A network that returns the image has loss 0; a network that returns the noise does not."""
    latents = pool(2).latents.float()

    class Constant:
        def __init__(self, noise: bool) -> None:  # noqa: FBT001
            self.noise = noise

        def __call__(self, noisy: torch.Tensor, *_: object, **__: object) -> "Constant":
            self.sample = noisy if self.noise else latents
            return self

    def loss(*, noise: bool) -> float:
        network = Constant(noise)
        return float(
            image_loss(network, latents, text.states(["", ""]), generator=make_generator(1))
        )

    assert loss(noise=False) == 0
    assert loss(noise=True) > 1


def test_the_scale_is_the_base_models_own() -> None:
    assert 0.05 < latent_scale(BASE) < 20
    assert train_singdiffusion.FOLDER.parent == BASE.parent
