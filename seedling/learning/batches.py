"""Draw training batches from the pool: latents and prompts that describe them."""

import torch
from torch import Tensor

from seedling.learning.pool import Pool
from seedling.randomness import choose, happens
from seedling.world.extremes import is_extreme
from seedling.world.sentences import FREE, sentence

EMPTY_RATE = 0.10
"""Share of training prompts that are empty, for classifier-free guidance."""


NAMED_RATE = 0.75
"""Probability that a training prompt names the colour; the same holds for the place."""


def draw_prompts(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Describe images, leaving out colour, place or everything at the rates above.

    Args:
        parts: int64 (B, 4), object, colour, place, tone.
        generator: The source of randomness.

    Returns:
        B sentences, some of them empty.
    """
    count = len(parts)
    named = parts.clone()
    for column in (1, 2):
        kept = happens(count, NAMED_RATE, generator=generator)
        named[:, column] = torch.where(kept, named[:, column], FREE)
    empty = happens(count, EMPTY_RATE, generator=generator).tolist()
    variants = choose(count, 6, generator=generator).tolist()
    return [
        "" if is_empty else sentence(row, variant=variant)
        for row, variant, is_empty in zip(named.tolist(), variants, empty, strict=True)
    ]


def draw_rows(
    pool: Pool, size: int, *, generator: torch.Generator, extreme_share: float = 0.0
) -> Tensor:
    """Draw rows of the pool uniformly, and a share of them from its extreme scenes only.

    Args:
        pool: Encoded scenes.
        size: Number of rows.
        generator: The source of randomness.
        extreme_share: Share of the rows that are drawn from the extreme scenes only.

    Returns:
        int64 (size,).
    """
    rows = choose(size, len(pool.latents), generator=generator)
    extreme = is_extreme(pool.parts[:, 0]).nonzero().flatten()
    if not extreme_share or not len(extreme):
        return rows
    extreme_rows = extreme[choose(size, len(extreme), generator=generator)]
    return torch.where(happens(size, extreme_share, generator=generator), extreme_rows, rows)


def draw_batch(
    pool: Pool, scale: float, size: int, *, generator: torch.Generator, extreme_share: float = 0.0
) -> tuple[Tensor, Tensor, list[str]]:
    """Draw scaled latents, the share of each image that its object covers, and the prompts."""
    rows = draw_rows(pool, size, generator=generator, extreme_share=extreme_share)
    prompts = draw_prompts(pool.parts[rows], generator=generator)
    return pool.latents[rows].float() * scale, pool.cover[rows].float(), prompts
