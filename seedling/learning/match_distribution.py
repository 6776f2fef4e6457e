"""Distribution matching: what makes one-step pictures sharp where regression leaves a mean.

Of one noise and one prompt the seedling makes one picture, but no small network can foresee all
of it, and what it cannot foresee a regression answers with the mean of what might be: soft. So
the student goes on under another loss. A copy of the seedling, the follower, learns to denoise the
student's own pictures; where it and the seedling denoise the same noised picture to different
ends, the difference points from where the student's pictures lie to where the seedling's do, and
the student follows it ("One-step Diffusion with Distribution Matching Distillation", Yin et al.
2024, arXiv:2311.18828, section 3.2). Their regression on pairs stays on beside it (section 3.3),
so that the picture of a seed stays the seedling's picture of that seed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seedling.learning.noise_loss import spread_steps
from seedling.learning.relatives import Base
from seedling.networks.tokenizer import token_ids

TIMES = (20, 980)
"""First and last of the 1,000 times at which pictures are compared (section 4)."""
LEAST = 1e-3
"""Floor of the mean distance that directions are divided by."""


def noised(
    base: Base, latents: Tensor, *, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise latents to times that are spread over `TIMES`.

    Args:
        base: Whose schedule it is.
        latents: float32 (B, 16, 8, 8).
        generator: The source of times and noise.

    Returns:
        Noised latents of the same shape, times, int64 (B,), and the noise.
    """
    first, last = TIMES
    times = first + spread_steps(len(latents), generator=generator) * (last - first) // 1000
    noise = torch.randn(latents.shape, generator=generator)
    return base.networks.scheduler.add_noise(latents, noise, times), times, noise


def denoised(base: Base, said: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
    """The clean latents that a predicted noise says (Ho et al. 2020, equation 15)."""
    signal = base.networks.scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
    clean: Tensor = (noisy - (1 - signal).sqrt() * said) / signal.sqrt()
    return clean


@torch.no_grad()
def empty_states(base: Base) -> Tensor:
    """The empty prompt as the text encoder reads it, float32 (1, T, D)."""
    states: Tensor = base.networks.text_encoder(token_ids(base.networks.tokenizer, [""]))[0]
    return states


Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From noised latents, times and encoded prompts to the predicted noise."""


def guided(base: Base, empty: Tensor, guidance: float) -> Predictor:
    """The seedling's noise prediction with classifier-free guidance (Ho and Salimans 2022).

    Args:
        base: The seedling.
        empty: As `empty_states` gives them.
        guidance: The guidance scale.

    Returns:
        The prediction.
    """

    def predict(noisy: Tensor, times: Tensor, states: Tensor) -> Tensor:
        both = torch.cat([empty.expand_as(states), states])
        said = base.networks.unet(noisy.repeat(2, 1, 1, 1), times.repeat(2), both).sample
        plain, asked = said.chunk(2)
        found: Tensor = plain + guidance * (asked - plain)
        return found

    return predict


def follower_loss(
    base: Base,
    follower: Any,  # noqa: ANN401 - diffusers is untyped
    latents: Tensor,
    states: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the noise that the follower predicts in the student's pictures.

    Args:
        base: Whose schedule it is.
        follower: What is trained.
        latents: The student's, float32 (B, 16, 8, 8); no gradient goes into them.
        states: Their prompts, encoded.
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
    """A scalar whose gradient moves the student's pictures towards the seedling's.

    Args:
        base: Whose schedule it is.
        teacher: As `guided` gives it.
        follower: The network that knows the student's pictures.
        latents: The student's, float32 (B, 16, 8, 8), with gradient.
        states: Their prompts, encoded.
        generator: The source of times and noise.

    Returns:
        Half a mean square (arXiv:2311.18828, equations 7 and 8): its gradient in the latents is
        the direction from the seedling's end to the follower's, divided by the mean distance of
        the picture from the seedling's end, so that all times weigh alike.
    """
    with torch.no_grad():
        noisy, times, _ = noised(base, latents, generator=generator)
        wanted = denoised(base, teacher(noisy, times, states), noisy, times)
        followed = denoised(base, follower(noisy, times, states).sample, noisy, times)
        distance = (latents - wanted).abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(LEAST)
        goal = latents - (followed - wanted) / distance
    loss: Tensor = 0.5 * (latents - goal).square().mean()
    return loss
