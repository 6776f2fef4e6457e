"""Sampling written out with diffusers' parts: the second implementation of several tests."""

from collections.abc import Callable

import numpy as np
import torch

from pipeline.batch import Batch
from pipeline.cards.card import Card
from pipeline.settings.config import RunConfig
from tests.pipeline import tiny


def noises(seed: int, shape: tuple[int, ...], count: int) -> list[torch.Tensor]:
    """What a seed's generator gives in a row."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


@torch.no_grad()
def draw(
    card: Card,
    settings: RunConfig,
    cells: Batch,
    *,
    step_noise: Callable[[int], torch.Tensor] | None = None,
    combine: Callable[..., torch.Tensor],
) -> np.ndarray:
    """Draw with DDIM, guidance combined by the caller.

    Args:
        card: The checkpoint.
        settings: The run.
        cells: What to draw.
        step_noise: Number of the step -> its noise, with eta 1.
        combine: (unconditional, conditional, latents, time step, scheduler) -> predicted noise.
    """
    pipe = tiny.native(card, settings)
    shape = card.latents_shape(settings.height, settings.width)
    x = torch.stack([noises(seed, shape, 1)[0] for seed in cells.seeds])
    texts = [prompt.text for prompt in cells.prompts]
    positive, negative = pipe.encode_prompt(
        texts,
        device="cpu",
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
        negative_prompt=[""] * len(texts),
    )
    pipe.scheduler.set_timesteps(settings.num_inference_steps)
    for number, t in enumerate(pipe.scheduler.timesteps):
        both = pipe.unet(torch.cat([x, x]), t, torch.cat([negative, positive])).sample
        eps = combine(*both.chunk(2), x, t, pipe.scheduler)
        noise = {"variance_noise": step_noise(number), "eta": 1.0} if step_noise else {}
        x = pipe.scheduler.step(eps, t, x, **noise).prev_sample
    pixels = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
    pixels = (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return np.asarray((pixels * 255).round().astype(int))


def guided(scale: float) -> Callable[..., torch.Tensor]:
    """Ordinary classifier-free guidance."""

    def combine(no: torch.Tensor, yes: torch.Tensor, *_: object) -> torch.Tensor:
        return no + scale * (yes - no)

    return combine
