"""The seedling's own pictures of prompts that differ in the object alone.

A judge that only ever saw true scenes does not know the objects in a model's pictures: one that
named 96 % of the objects of scenes named 72 % of those drawn. These pictures teach it. What a
picture shows is taken to be what its prompt says, which holds for about 82 of 100, and the same
seed draws a whole row of objects, so that nothing but the object tells its pictures apart. The
recogniser, which judges are measured by, has no part in it.
"""

from pathlib import Path

import torch

from seedling.alike import ALIKE, draw_alike
from seedling.model import to_images
from seedling.randomness import choose, make_generator
from seedling.relatives import BASE, Base, Rows, load_base, load_or_make
from seedling.sentences import sentence
from seedling.train_turbo import FIRST_SEED, GUIDANCE, STEPS, final_latents

SEEDS_AFTER = 500_000_000
"""How far behind turbo's the seeds of these pictures begin."""


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
    path = folder / (model.own_name(f"drawn-alike-{count}-{seed}") + ".safetensors")
    return load_or_make(path, lambda: draw_alike_pictures(model, count, seed))


def draw_alike_pictures(base: Base, count: int, seed: int) -> Rows:
    """Draw rows of `ALIKE` pictures: one seed, colour, place and tone a row, and all its objects.

    Args:
        base: The model.
        count: How many pictures, a multiple of `ALIKE`.
        seed: Seed of the prompts.

    Returns:
        `images`, uint8 (count, 3, 64, 64); `parts`, int64 (count, 4), what the prompts name;
        `wordings`, int64 (count,), variants of their sentences.
    """
    generator = make_generator(seed)
    parts = draw_alike(count, generator=generator)
    wordings = choose(count, 6, generator=generator)
    seeds = FIRST_SEED + SEEDS_AFTER + torch.arange(count // ALIKE).repeat_interleave(ALIKE)
    prompts = say_all(parts, wordings)
    latents = final_latents(base, prompts, seeds, steps=STEPS, guidance=GUIDANCE)
    return {"images": decode(base, latents), "parts": parts, "wordings": wordings}


def say_all(parts: torch.Tensor, wordings: torch.Tensor) -> list[str]:
    """The sentences of rows."""
    both = zip(parts.tolist(), wordings.tolist(), strict=True)
    return [sentence(row, variant=variant) for row, variant in both]


@torch.no_grad()
def decode(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Scaled latents (B, 16, 8, 8) to uint8 pictures (B, 3, 64, 64)."""
    chunks = [
        to_images(base.vae.decode(some / base.scale).sample) for some in torch.split(latents, 64)
    ]
    return (torch.cat(chunks) * 255).round().to(torch.uint8)
