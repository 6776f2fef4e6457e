"""Distribution matching, which makes the images of a one-step student sharp.

The seedling maps one noise and one prompt to one image, but a small network cannot predict all of
it. For what it cannot predict, a regression gives the mean of the possible images, which looks
soft. The student therefore continues with another loss. A copy of the seedling, the follower,
learns to denoise the student's images. Where the follower and the seedling denoise the same noised
image differently, the difference points from the student's images towards the seedling's, and the
student follows it ("One-step Diffusion with Distribution Matching Distillation", Yin et al. 2024,
arXiv:2311.18828, section 3.2). As in the paper, the regression on pairs is kept as well (section
3.3), so that the student's image of a seed remains close to the seedling's image of that seed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seedling.learning.noise_loss import spread_steps
from seedling.learning.relatives import Base
from seedling.networks.tokenizer import token_ids

TIMES = (20, 980)
"""First and last of the 1,000 times at which images are compared (section 4)."""
LEAST = 1e-3
"""Lower bound of the mean distance that directions are divided by."""


def noised(
    base: Base, latents: Tensor, *, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Add noise to latents at times that are spread over `TIMES`.

    Args:
        base: The model whose schedule is used.
        latents: float32 (B, 16, 8, 8).
        generator: The source of times and noise.

    Returns:
        Noised latents of the same shape, times, int64 (B,), and the noise.
    """
    first, last = TIMES
    times = first + spread_steps(len(latents), generator=generator) * (last - first) // 1000
    noise = torch.randn(latents.shape, generator=generator)
    return base.networks.scheduler.add_noise(latents, noise, times), times, noise


def denoised(base: Base, predicted: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
    """Compute the clean latents that a predicted noise implies (Ho et al. 2020, equation 15)."""
    signal = base.networks.scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
    clean: Tensor = (noisy - (1 - signal).sqrt() * predicted) / signal.sqrt()
    return clean


@torch.no_grad()
def empty_states(base: Base) -> Tensor:
    """Encode the empty prompt, float32 (1, T, D)."""
    states: Tensor = base.networks.text_encoder(token_ids(base.networks.tokenizer, [""]))[0]
    return states


Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(noised latents, times, encoded prompts) -> predicted noise."""


def guided(base: Base, empty: Tensor, guidance: float) -> Predictor:
    """Make the seedling's noise predictor with classifier-free guidance (Ho and Salimans 2022).

    Args:
        base: The seedling.
        empty: States of the empty prompt, see `empty_states`.
        guidance: The guidance scale.

    Returns:
        The prediction.
    """

    def predict(noisy: Tensor, times: Tensor, states: Tensor) -> Tensor:
        both = torch.cat([empty.expand_as(states), states])
        predicted = base.networks.unet(noisy.repeat(2, 1, 1, 1), times.repeat(2), both).sample
        unconditional, conditional = predicted.chunk(2)
        noise: Tensor = unconditional + guidance * (conditional - unconditional)
        return noise

    return predict


def follower_loss(
    base: Base,
    follower: Any,  # noqa: ANN401 - diffusers is untyped
    latents: Tensor,
    states: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the noise that the follower predicts for the student's images.

    Args:
        base: The model whose schedule is used.
        follower: The network that is trained.
        latents: The student's latents, float32 (B, 16, 8, 8); they receive no gradient.
        states: The encoded prompts of the latents.
        generator: The source of times and noise.

    Returns:
        A scalar.
    """
    noisy, times, noise = noised(base, latents.detach(), generator=generator)
    loss: Tensor = (follower(noisy, times, states).sample - noise).square().mean()
    return loss


def matching_loss(
    base: Base,
    teacher: Predictor,
    follower: Any,  # noqa: ANN401 - diffusers is untyped
    latents: Tensor,
    states: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Loss whose gradient moves the student's images towards the seedling's.

    Args:
        base: The model whose schedule is used.
        teacher: The guided seedling, see `guided`.
        follower: The network that was trained on the student's images.
        latents: The student's latents, float32 (B, 16, 8, 8), with gradient.
        states: The encoded prompts of the latents.
        generator: The source of times and noise.

    Returns:
        A scalar, half a mean square (arXiv:2311.18828, equations 7 and 8). Its gradient with
        respect to the latents is the follower's result minus the teacher's, divided by the mean
        distance of the latents from the teacher's result, so that all times weigh the same.
    """
    with torch.no_grad():
        noisy, times, _ = noised(base, latents, generator=generator)
        taught = denoised(base, teacher(noisy, times, states), noisy, times)
        followed = denoised(base, follower(noisy, times, states).sample, noisy, times)
        distance = (latents - taught).abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(LEAST)
        goal = latents - (followed - taught) / distance
    loss: Tensor = 0.5 * (latents - goal).square().mean()
    return loss
