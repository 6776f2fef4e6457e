"""The seedling as a teacher: the final latents that it draws for given seeds and prompts."""

import copy
from dataclasses import replace

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from pipeline.cpu import speed_up
from seedling.learning.relatives import Base
from seedling.networks.model import LATENT_CHANNELS, VARIANTS
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator

GUIDANCE = VARIANTS["seedling"].guidance
"""The seedling's guidance scale, which is in its pictures."""


DRAWN_TOGETHER = 64


FIRST_SEED = 3_000_000_000
"""First seed of the pairs: below 2^32, so a seed that a user might ask for, and far away."""


STEPS = 10
"""DDIM steps of the seedling: its objects are recognised as often as after 20 (84.4 and 82.0 % of
256 pictures), and a picture takes half the time."""


SIDE = 8


def starting_noise(seeds: Tensor) -> Tensor:
    """The noise of seeds, float32 (B, 16, 8, 8), as the pipeline draws it."""
    shape = (LATENT_CHANNELS, SIDE, SIDE)
    return torch.stack(
        [torch.randn(shape, generator=make_generator(seed)) for seed in seeds.tolist()]
    )


def fast_pipe(base: Base) -> StableDiffusionPipeline:
    """The seedling's pipeline, its layers exchanged for what is faster on a CPU."""
    teacher = copy.deepcopy(base.networks.unet)
    speed_up(teacher)
    return new_pipe(base.vae, replace(base.networks, unet=teacher), scale=base.scale)


def final_latents(
    base: Base, prompts: list[str], seeds: Tensor, *, steps: int, guidance: float
) -> Tensor:
    """The seedling's final latents, float32 (B, 16, 8, 8)."""
    pipe, found = fast_pipe(base), []
    for start in range(0, len(prompts), DRAWN_TOGETHER):
        batch = slice(start, start + DRAWN_TOGETHER)
        drawn = pipe(
            prompts[batch],
            latents=starting_noise(seeds[batch]),
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="latent",
        )
        found.append(drawn.images)
    return torch.cat(found)
