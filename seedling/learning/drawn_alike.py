"""Images by the seedling for prompts that differ only in the object, right and half wrong.

A judge that was trained only on true scenes recognises fewer objects in a model's images: one
that named 96 % of the objects of scenes named 72 % of the drawn ones. These images train it. Each
image is taken to show what its prompt names, which holds for about 82 of 100. A whole row of
objects is drawn from the same seed, so that its images differ only in the object. Each image has
a half-wrong counterpart whose first steps used the prompt of the next object. It imitates a
typical failure of a model: an object between the two. The recogniser, which measures the judges,
is not used here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seedling.learning.alike import ALIKE, draw_alike
from seedling.learning.fitting import Rows, load_or_make
from seedling.learning.relatives import BASE, Base, load_base
from seedling.learning.teacher import (
    FIRST_SEED,
    GUIDANCE,
    STEPS,
    fast_pipe,
    final_latents,
    starting_noise,
)
from seedling.networks.model import to_images
from seedling.randomness import choose, make_generator
from seedling.world.sentences import sentence

SEEDS_AFTER = 500_000_000
"""Distance of the seeds of these images from the first seed of turbo's pairs."""
MISLED = (3, 7)
"""Minimum and maximum number of steps, of 10, that use the prompt of the other object."""
TOGETHER = 4 * ALIKE
"""Number of half-wrong images that are drawn together and misled for the same number of steps."""


def load_drawn(folder: Path, *, count: int, seed: int, base: Path = BASE) -> Rows:
    """Read the images, or draw and write them if they are missing.

    Args:
        folder: Folder in which they are kept.
        count: Number of images, a multiple of `ALIKE`.
        seed: Seed of the prompts.
        base: Folder of the model that draws.

    Returns:
        As `draw_alike_images`.
    """
    model = load_base(base)
    path = folder / (model.name_with_hash(f"drawn-rows-{count}-{seed}") + ".safetensors")
    return load_or_make(path, lambda: draw_alike_images(model, count, seed))


def draw_alike_images(base: Base, count: int, seed: int) -> Rows:
    """Draw rows of `ALIKE` images with one seed, colour, place and tone, and different objects.

    Args:
        base: The model.
        count: Number of images, a multiple of `ALIKE`.
        seed: Seed of the prompts.

    Returns:
        `images` and `half_wrong`, uint8 (count, 3, 64, 64); `parts`, int64 (count, 4), what the
        prompts name; `wordings`, int64 (count,), variants of their sentences.
    """
    generator = make_generator(seed)
    parts = draw_alike(count, generator=generator)
    wordings = choose(count, 6, generator=generator)
    seeds = FIRST_SEED + SEEDS_AFTER + torch.arange(count // ALIKE).repeat_interleave(ALIKE)
    prompts = sentences_of(parts, wordings)
    right = final_latents(base, prompts, seeds, steps=STEPS, guidance=GUIDANCE)
    wrong = misled_latents(base, prompts, seeds, generator=generator)
    images = {"images": decode(base, right), "half_wrong": decode(base, wrong)}
    return {**images, "parts": parts, "wordings": wordings}


def misled_latents(
    base: Base, prompts: list[str], seeds: Tensor, *, generator: torch.Generator
) -> Tensor:
    """Draw final latents whose first steps used the next prompt of their row.

    Args:
        base: The model.
        prompts: Prompts in rows of `ALIKE`.
        seeds: int64, one seed per prompt.
        generator: Draws the number of misled steps, see `MISLED`.

    Returns:
        float32 (B, 16, 8, 8).
    """
    pipe, batches, (least, most) = fast_pipe(base), [], MISLED
    for start in range(0, len(prompts), TOGETHER):
        batch = prompts[start : start + TOGETHER]
        steps = least + int(choose(1, most - least + 1, generator=generator))
        output = pipe(
            neighbours(batch),
            latents=starting_noise(seeds[start : start + TOGETHER]),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            output_type="latent",
            callback_on_step_end=switch_prompts(pipe, batch, steps),
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )
        batches.append(output.images)
    return torch.cat(batches)


def neighbours(prompts: list[str]) -> list[str]:
    """Return for each prompt the next one in its row of `ALIKE`."""
    return [prompts[index] for index in next_in_row(torch.arange(len(prompts))).tolist()]


def next_in_row(values: Tensor) -> Tensor:
    """Return for each value the next one in its row of `ALIKE`, the first for the last.

    Example:
        >>> next_in_row(torch.arange(32.0)[:, None])[15:17, 0].tolist()
        [0.0, 17.0]
    """
    return values.reshape(-1, ALIKE, *values.shape[1:]).roll(-1, dims=1).flatten(0, 1)


def switch_prompts(pipe: Any, prompts: list[str], steps: int) -> Callable[..., dict[str, Any]]:  # noqa: ANN401
    """Make a diffusers callback that switches to these prompts after a number of steps."""
    states, empty = pipe.encode_prompt(prompts, "cpu", 1, do_classifier_free_guidance=True)

    def switch(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        return {"prompt_embeds": torch.cat([empty, states])} if step + 1 == steps else tensors

    return switch


def sentences_of(parts: Tensor, wordings: Tensor) -> list[str]:
    """Build the sentences of parts (B, 4) in the given wordings (B,)."""
    pairs = zip(parts.tolist(), wordings.tolist(), strict=True)
    return [sentence(row, variant=variant) for row, variant in pairs]


@torch.no_grad()
def decode(base: Base, latents: Tensor) -> Tensor:
    """Decode scaled latents (B, 16, 8, 8) to uint8 images (B, 3, 64, 64)."""
    images = [
        to_images(base.vae.decode(chunk / base.scale).sample) for chunk in torch.split(latents, 64)
    ]
    return (torch.cat(images) * 255).round().to(torch.uint8)
