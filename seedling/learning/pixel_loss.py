"""Compute the loss of a noise predictor on pixels, and of the variance that it may also predict."""

import math
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from seedling.learning.noise_loss import spread_steps, step_weights


def pixel_loss(
    network: Any,  # noqa: ANN401 - diffusers is untyped
    scheduler: DDPMScheduler,
    pixels: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Weighted squared error of the predicted noise, plus the bound if a variance is predicted.

    Without a predicted variance, this is equation 14 of Ho et al. 2020 (arXiv:2006.11239), in which
    steps with little noise weigh less, as for the seedling (`noise_loss`). With one, it is the
    hybrid loss of Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 16. Their factor 0.001 on a
    sum over 1,000 steps is a factor 1 on the mean over steps that is taken here.

    Args:
        network: Predictor of the noise, (B, C, H, W), or of noise and variance, (B, 2C, H, W).
        scheduler: The schedule.
        pixels: float32 (B, C, H, W) in -1..1.
        generator: The source of noise and times.

    Returns:
        A scalar.
    """
    noise = torch.randn(pixels.shape, generator=generator)
    steps = spread_steps(len(pixels), generator=generator)
    noisy = scheduler.add_noise(pixels, noise, steps)
    # bfloat16 products save a third of a step's time on a CPU that supports them.
    with torch.autocast("cpu", torch.bfloat16):
        predicted = network(noisy, steps).sample
    errors, *spread = predicted.float().split(pixels.shape[1], dim=1)
    errors = errors - noise
    weights = step_weights(scheduler)
    simple: Tensor = (weights[steps] * errors.square().mean(dim=(1, 2, 3))).mean() / weights.mean()
    if not spread:
        return simple
    return simple + variance_bound(scheduler, errors.detach(), spread[0], steps).mean()


def variance_bound(
    scheduler: DDPMScheduler, errors: Tensor, spread: Tensor, steps: Tensor
) -> Tensor:
    """Divergence of the step that is drawn from the true step of the image.

    This is the term of the variational bound of each step (Nichol & Dhariwal 2021, equation 5),
    with their interpolated variance (equation 15). The errors are given as numbers without a
    gradient, so that the bound trains the variance only (section 3.1).

    Args:
        scheduler: The schedule.
        errors: Predicted minus true noise, float32 (B, C, H, W).
        spread: Predicted position of the log variance between its limits, -1 at the lower and 1 at
            the upper one, float32 (B, C, H, W).
        steps: int64 (B,), in 0..999.

    Returns:
        float32 (B,), bits per pixel and channel, 0 or more. It is 0 at step 0, which adds no noise
        when it is drawn, so that its variance is never used.
    """
    later = steps.clamp_min(1)
    low, high, shift = (table[later].view(-1, 1, 1, 1) for table in _step_tables(scheduler))
    logvar = low + (spread + 1) / 2 * (high - low)
    moved = shift * errors.square() * torch.exp(-logvar)
    nats = 0.5 * (logvar - low - 1 + torch.exp(low - logvar) + moved)
    return nats.mean(dim=(1, 2, 3)) / math.log(2) * (steps > 0)


def _step_tables(scheduler: DDPMScheduler) -> tuple[Tensor, Tensor, Tensor]:
    """Log variance of the true step, log beta, and the factor from squared errors to squared means.

    Ho et al. 2020, equations 7 and 11; each float32 (1000,).
    """
    signal, betas = scheduler.alphas_cumprod, scheduler.betas
    before = torch.cat([torch.ones(1), signal[:-1]])
    posterior = (1 - before) / (1 - signal) * betas
    return posterior.log(), betas.log(), betas.square() / ((1 - betas) * (1 - signal))
