"""Compute the loss of a noise predictor: the weighted squared error of the predicted noise."""

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from seedling.networks.text_to_image import Networks
from seedling.networks.tokenizer import token_ids

OBJECT_WEIGHT = 3.0
"""Extra weight of errors on the object, relative to errors elsewhere."""


MAX_SNR = 5.0
"""Signal-to-noise ratio above which the error of a step weighs less."""


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
    arXiv:2303.09556, equation 5, for noise prediction). The object weighs more than its
    surroundings, which fill most of an image.

    Args:
        networks: The networks that are trained.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        cover: float32 (B, 8, 8), the share of each latent that the object covers, in 0..1.
        prompts: B sentences.
        generator: The source of noise and times.
        offset: Strength of offset noise, see `draw_offset_noise`; the noise with its offset is
            both added and predicted.

    Returns:
        A scalar.
    """
    noise = draw_offset_noise(latents.shape, strength=offset, generator=generator)
    steps = spread_steps(len(latents), generator=generator)
    noisy = networks.scheduler.add_noise(latents, noise, steps)
    states = networks.text_encoder(token_ids(networks.tokenizer, prompts)).last_hidden_state
    predicted = networks.unet(noisy, steps, encoder_hidden_states=states).sample
    errors = image_errors(predicted - noise, cover)
    weights = step_weights(networks.scheduler)
    loss: Tensor = (weights[steps] * errors).mean() / weights.mean()
    return loss


def image_errors(errors: Tensor, cover: Tensor) -> Tensor:
    """Weighted mean squared error of each image (B,), from errors (B, C, h, w) and cover."""
    weights = 1 + OBJECT_WEIGHT * cover
    weights = weights / weights.mean(dim=(1, 2), keepdim=True)
    return (errors.square().mean(dim=1) * weights).mean(dim=(1, 2))


def spread_steps(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw evenly spread times, one from each of `count` equal parts of 0..999, int64 (count,).

    Each batch then contains both low and high noise levels, and its loss varies less (Kingma et
    al. 2021, "Variational Diffusion Models", arXiv:2107.00630, appendix I.1).
    """
    shift = torch.rand(1, generator=generator)
    return ((shift + torch.arange(count) / count) % 1 * 1000).long()


def step_weights(scheduler: DDIMScheduler | DDPMScheduler) -> Tensor:
    """Compute the weight of each step's error, float32 (1000,): min(SNR, 5) / SNR."""
    signal: Tensor = scheduler.alphas_cumprod
    ratio = signal / (1 - signal)
    weights: Tensor = ratio.clamp_max(MAX_SNR) / ratio
    return weights


def draw_offset_noise(
    shape: Sequence[int], *, strength: float, generator: torch.Generator
) -> Tensor:
    """Draw standard normal noise plus one constant offset per image and channel.

    Args:
        shape: (B, C, h, w).
        strength: Standard deviation of the offset; at 0 no offset is drawn.
        generator: The source of noise and offset.

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
