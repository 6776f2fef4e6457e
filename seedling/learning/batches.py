"""Draw training batches from the pool: latents, and prompts that describe them."""

import torch
from torch import Tensor

from seedling.learning.pool import Pool
from seedling.randomness import choose, happens
from seedling.world.extremes import is_extreme
from seedling.world.sentences import FREE, sentence

EMPTY_RATE = 0.10
"""Share of training prompts that are empty, for classifier-free guidance."""


NAMED_RATE = 0.75
"""Share of training prompts that name the colour; the same for the place."""


def draw_prompts(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Say what pictures show, leaving out colour, place or everything at the stated rates.

    Args:
        parts: int64 (B, 4), object, colour, place, tone.
        generator: The source of randomness.

    Returns:
        B sentences, some of them empty.
    """
    count = len(parts)
    said = parts.clone()
    for column in (1, 2):
        kept = happens(count, NAMED_RATE, generator=generator)
        said[:, column] = torch.where(kept, said[:, column], FREE)
    empty = happens(count, EMPTY_RATE, generator=generator).tolist()
    variants = choose(count, 6, generator=generator).tolist()
    return [
        "" if silent else sentence(row, variant=variant)
        for row, variant, silent in zip(said.tolist(), variants, empty, strict=True)
    ]


def draw_rows(
    pool: Pool, batch: int, *, generator: torch.Generator, extremes: float = 0.0
) -> Tensor:
    """Draw rows of the pool evenly, and a share of them among its extreme scenes instead.

    Args:
        pool: Encoded scenes.
        batch: How many.
        generator: The source of randomness.
        extremes: See `Variant`.

    Returns:
        int64 (batch,).
    """
    rows = choose(batch, len(pool.latents), generator=generator)
    extreme = is_extreme(pool.parts[:, 0]).nonzero().flatten()
    if not extremes or not len(extreme):
        return rows
    others = extreme[choose(batch, len(extreme), generator=generator)]
    return torch.where(happens(batch, extremes, generator=generator), others, rows)


def draw_batch(
    pool: Pool, scale: float, batch: int, *, generator: torch.Generator, extremes: float = 0.0
) -> tuple[Tensor, Tensor, list[str]]:
    """Draw scaled latents, how much of them the object covers, and prompts for them."""
    rows = draw_rows(pool, batch, generator=generator, extremes=extremes)
    prompts = draw_prompts(pool.parts[rows], generator=generator)
    return pool.latents[rows].float() * scale, pool.cover[rows].float(), prompts
