"""The loss of every noise predictor here: the weighted squared error of the predicted noise."""

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import token_ids

OBJECT_WEIGHT = 3.0
"""How much more an error on the object weighs than one beside it."""


MAX_SNR = 5.0
"""Signal-to-noise ratio above which a step's error weighs less."""


def noise_loss(
    networks: Networks,
    latents: Tensor,
    cover: Tensor,
    prompts: list[str],
    *,
    generator: torch.Generator,
    offset: float = 0.0,
) -> Tensor:
    """Weighted squared error of the predicted noise (Ho et al. 2020, equation 14).

    Steps with little noise weigh less (min-SNR with gamma 5: Hang et al. 2023,
    arXiv:2303.09556, equation 5, for noise prediction), and the object weighs more than what is
    around it, which fills most of a picture.

    Args:
        networks: What is trained.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        cover: float32 (B, 8, 8), how much of each latent the object covers, in 0..1.
        prompts: B sentences.
        generator: The source of noise and times.
        offset: Strength of offset noise, see `draw_offset_noise`; the noise with its offset is
            both what is added and what is to be predicted.

    Returns:
        A scalar.
    """
    noise = draw_offset_noise(latents.shape, strength=offset, generator=generator)
    steps = spread_steps(len(latents), generator=generator)
    noisy = networks.scheduler.add_noise(latents, noise, steps)
    states = networks.text_encoder(token_ids(networks.tokenizer, prompts)).last_hidden_state
    predicted = networks.unet(noisy, steps, encoder_hidden_states=states).sample
    errors = picture_errors(predicted - noise, cover)
    weights = step_weights(networks.scheduler)
    loss: Tensor = (weights[steps] * errors).mean() / weights.mean()
    return loss


def picture_errors(errors: Tensor, cover: Tensor) -> Tensor:
    """Mean squared error of each picture (B,), from errors (B, C, h, w) and the objects' cover."""
    where = 1 + OBJECT_WEIGHT * cover
    where = where / where.mean(dim=(1, 2), keepdim=True)
    return (errors.square().mean(dim=1) * where).mean(dim=(1, 2))


def spread_steps(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw times evenly, one from each of `count` equal parts of 0..999, int64 (count,).

    A batch then always holds little noise and much, and its loss varies less (Kingma et al. 2021,
    "Variational Diffusion Models", arXiv:2107.00630, appendix I.1).
    """
    shift = torch.rand(1, generator=generator)
    return ((shift + torch.arange(count) / count) % 1 * 1000).long()


def step_weights(scheduler: DDIMScheduler) -> Tensor:
    """Weight of each step's error, float32 (1000,): min(SNR, 5) / SNR."""
    signal: Tensor = scheduler.alphas_cumprod
    ratio = signal / (1 - signal)
    weights: Tensor = ratio.clamp_max(MAX_SNR) / ratio
    return weights


def draw_offset_noise(
    shape: Sequence[int], *, strength: float, generator: torch.Generator
) -> Tensor:
    """Standard normal noise, and one more number per picture and channel, the same everywhere.

    Args:
        shape: (B, C, h, w).
        strength: Standard deviation of that number; at 0 none is drawn.
        generator: The source of both.

    Returns:
        float32 of that shape. Two positions of a channel have the covariance strength squared.

    Source:
        Guttenberg 2023, "Diffusion with Offset Noise"; diffusers' training flag
        `--noise_offset`.
    """
    noise = torch.randn(tuple(shape), generator=generator)
    if strength:
        noise += strength * torch.randn((shape[0], shape[1], 1, 1), generator=generator)
    return noise
