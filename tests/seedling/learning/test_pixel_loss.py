"""Test the loss on pixels: what it is lowest for, and its bound against torch's own divergence."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from seedling.learning.pixel_loss import pixel_loss, variance_bound
from seedling.randomness import make_generator
from seedling.train.ddpm import MODELS, new_scheduler

SHAPE = (16, 3, 4, 4)
STEPS = torch.tensor([0, 1, 500, 999])


def pixels() -> Tensor:
    return torch.rand(SHAPE, generator=make_generator(1)) * 2 - 1


class Knowing:
    """A network that knows the image, and predicts its noise, scaled, and perhaps a variance."""

    def __init__(self, scheduler: DDPMScheduler, scale: float, spread: float | None) -> None:
        self.scheduler, self.scale, self.spread = scheduler, scale, spread

    def __call__(self, noisy: Tensor, steps: Tensor) -> Any:  # noqa: ANN401 - as in diffusers
        signal = self.scheduler.alphas_cumprod[steps].view(-1, 1, 1, 1)
        noise = (noisy - signal.sqrt() * pixels()) / (1 - signal).sqrt() * self.scale
        parts = [noise] if self.spread is None else [noise, torch.full(SHAPE, self.spread)]
        return SimpleNamespace(sample=torch.cat(parts, dim=1))


def loss_of(name: str, *, scale: float = 1.0, spread: float | None = None) -> float:
    scheduler = new_scheduler(name)
    network = Knowing(scheduler, scale, spread)
    return float(pixel_loss(network, scheduler, pixels(), generator=make_generator(2)))


@pytest.mark.parametrize("name", MODELS)
def test_the_target_is_the_noise(name: str) -> None:
    assert loss_of(name) < 1e-6
    assert loss_of(name, scale=0.0) == pytest.approx(1.0, abs=0.1), "the variance of the noise"


def test_a_predicted_variance_is_best_at_that_of_the_true_step() -> None:
    name = "seedling-improved-ddpm"
    assert loss_of(name, spread=-1.0) < 0.1 * loss_of(name, spread=1.0)


def step_of(scheduler: DDPMScheduler, step: int, noise: Tensor, spread: float) -> Normal:
    """What the scheduler draws at a step if the noise and the variance are predicted so."""
    fixed = DDPMScheduler.from_config(
        scheduler.config, variance_type="fixed_small", clip_sample=False
    )
    image = pixels()[:1].double()
    noisy = fixed.add_noise(image, torch.ones_like(image), torch.tensor([step]))
    drawn = fixed.step(noise.double(), step, noisy, generator=make_generator(0)).prev_sample
    added = torch.randn(noise.shape, generator=make_generator(0), dtype=torch.float64)
    mean = drawn - fixed._get_variance(step).sqrt() * added
    logvar = fixed._get_variance(step, torch.tensor(spread), variance_type="learned_range")
    return Normal(mean, torch.exp(0.5 * logvar.double()))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("spread", [-1.0, -0.2, 1.0])
def test_the_bound_is_the_divergence_of_the_step_that_the_scheduler_draws(
    name: str, spread: float
) -> None:
    scheduler, errors = new_scheduler(name), torch.full((4, 3, 4, 4), 0.3)
    spreads = torch.full_like(errors, spread)
    bits = variance_bound(scheduler, errors, spreads, STEPS)
    assert float(bits[0]) == 0, "step 0 adds no noise"
    for step, found in zip(STEPS[1:].tolist(), bits[1:].tolist(), strict=True):
        true = step_of(scheduler, step, torch.ones(1, 3, 4, 4), -1.0)
        drawn = step_of(scheduler, step, torch.full((1, 3, 4, 4), 1.3), spread)
        nats = float(kl_divergence(true, drawn).mean())
        assert found == pytest.approx(nats / math.log(2), rel=1e-2, abs=1e-6)
    wrong = variance_bound(scheduler, errors * 2, spreads, STEPS)
    assert not torch.allclose(wrong[1], bits[1], rtol=0.1)


def test_the_bound_trains_the_variance_alone() -> None:
    scheduler = new_scheduler("seedling-improved-ddpm")
    noise, spread = torch.zeros(SHAPE, requires_grad=True), torch.zeros(SHAPE, requires_grad=True)
    both = SimpleNamespace(sample=torch.cat([noise, spread], dim=1))
    pixel_loss(lambda *_: both, scheduler, pixels(), generator=make_generator(2)).backward()
    alone = torch.zeros(SHAPE, requires_grad=True)
    only = SimpleNamespace(sample=alone)
    pixel_loss(lambda *_: only, scheduler, pixels(), generator=make_generator(2)).backward()
    assert noise.grad is not None
    assert spread.grad is not None
    assert alone.grad is not None
    assert torch.equal(noise.grad, alone.grad)
    assert float(spread.grad.abs().max()) > 0
