"""The seedling's own pictures of prompts that differ in the object alone, right and half wrong.

A judge that only ever saw true scenes does not know the objects in a model's pictures: one that
named 96 % of the objects of scenes named 72 % of those drawn. These pictures teach it. What a
picture shows is taken to be what its prompt says, which holds for about 82 of 100, and the same
seed draws a whole row of objects, so that nothing but the object tells its pictures apart. Beside
each stands one whose first steps heard the next object's name: a model's own kind of failure, a
thing that is neither. The recogniser, which judges are measured by, has no part in any of it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seedling.learning.alike import ALIKE, draw_alike
from seedling.learning.relatives import BASE, Base, Rows, load_base, load_or_make
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
"""How far behind turbo's the seeds of these pictures begin."""
MISLED = (3, 7)
"""Fewest and most steps, of 10, that a half-wrong picture is drawn with the other object's name."""
TOGETHER = 4 * ALIKE
"""Half-wrong pictures that are drawn together, and misled for as many steps."""


def load_drawn(folder: Path, *, count: int, seed: int, base: Path = BASE) -> Rows:
    """Draw the pictures, or read those that were drawn before.

    Args:
        folder: Where they are kept.
        count: How many, a multiple of `ALIKE`.
        seed: Seed of the prompts.
        base: Folder of the model that draws.

    Returns:
        As `draw_alike_pictures`.
    """
    model = load_base(base)
    path = folder / (model.own_name(f"drawn-rows-{count}-{seed}") + ".safetensors")
    return load_or_make(path, lambda: draw_alike_pictures(model, count, seed))


def draw_alike_pictures(base: Base, count: int, seed: int) -> Rows:
    """Draw rows of `ALIKE` pictures: one seed, colour, place and tone a row, and all its objects.

    Args:
        base: The model.
        count: How many pictures, a multiple of `ALIKE`.
        seed: Seed of the prompts.

    Returns:
        `images` and `half_wrong`, uint8 (count, 3, 64, 64); `parts`, int64 (count, 4), what the
        prompts name; `wordings`, int64 (count,), variants of their sentences.
    """
    generator = make_generator(seed)
    parts = draw_alike(count, generator=generator)
    wordings = choose(count, 6, generator=generator)
    seeds = FIRST_SEED + SEEDS_AFTER + torch.arange(count // ALIKE).repeat_interleave(ALIKE)
    prompts = say_all(parts, wordings)
    right = final_latents(base, prompts, seeds, steps=STEPS, guidance=GUIDANCE)
    wrong = misled_latents(base, prompts, seeds, generator=generator)
    images = {"images": decode(base, right), "half_wrong": decode(base, wrong)}
    return {**images, "parts": parts, "wordings": wordings}


def misled_latents(
    base: Base, prompts: list[str], seeds: Tensor, *, generator: torch.Generator
) -> Tensor:
    """Final latents of pictures whose first steps heard the next prompt of their row.

    Args:
        base: The model.
        prompts: Rows of `ALIKE`.
        seeds: int64, as many.
        generator: Chooses how many steps, `MISLED`.

    Returns:
        float32 (B, 16, 8, 8).
    """
    pipe, found, (least, most) = fast_pipe(base), [], MISLED
    for start in range(0, len(prompts), TOGETHER):
        own = prompts[start : start + TOGETHER]
        steps = least + int(choose(1, most - least + 1, generator=generator))
        drawn = pipe(
            neighbours(own),
            latents=starting_noise(seeds[start : start + TOGETHER]),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            output_type="latent",
            callback_on_step_end=say_after(pipe, own, steps),
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )
        found.append(drawn.images)
    return torch.cat(found)


def neighbours(prompts: list[str]) -> list[str]:
    """Of each prompt of a row of `ALIKE` the next one."""
    return [prompts[place] for place in next_in_row(torch.arange(len(prompts))).tolist()]


def next_in_row(things: Tensor) -> Tensor:
    """Of each of a row of `ALIKE` the next one: what its prompt does not ask for.

    Example:
        >>> next_in_row(torch.arange(32.0)[:, None])[15:17, 0].tolist()
        [0.0, 17.0]
    """
    return things.reshape(-1, ALIKE, *things.shape[1:]).roll(-1, dims=1).flatten(0, 1)


def say_after(pipe: Any, prompts: list[str], steps: int) -> Callable[..., dict[str, Any]]:  # noqa: ANN401
    """A callback for diffusers: from a step on the pipeline hears these prompts."""
    said, unsaid = pipe.encode_prompt(prompts, "cpu", 1, do_classifier_free_guidance=True)

    def after(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        return {"prompt_embeds": torch.cat([unsaid, said])} if step + 1 == steps else tensors

    return after


def say_all(parts: Tensor, wordings: Tensor) -> list[str]:
    """The sentences of rows."""
    both = zip(parts.tolist(), wordings.tolist(), strict=True)
    return [sentence(row, variant=variant) for row, variant in both]


@torch.no_grad()
def decode(base: Base, latents: Tensor) -> Tensor:
    """Scaled latents (B, 16, 8, 8) to uint8 pictures (B, 3, 64, 64)."""
    chunks = [
        to_images(base.vae.decode(some / base.scale).sample) for some in torch.split(latents, 64)
    ]
    return (torch.cat(chunks) * 255).round().to(torch.uint8)
