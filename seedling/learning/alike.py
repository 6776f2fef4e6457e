"""Draw prompts that differ only in their object."""

import torch
from torch import Tensor

from seedling.learning.degrade import draw_full_parts
from seedling.world.extremes import is_extreme
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import OBJECTS

ALIKE = 16
"""Number of scenes in a row that name the same colour, place and tone, so that their sentences
differ only in the object. Among independent scenes, colour, place and tone suffice to find the
sentence: a network trained that way found 91 of 100 sentences and knew 15 % of the objects."""


def draw_alike(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw the parts of sentences in rows of `ALIKE` with the same colour, place and tone.

    Args:
        count: Number of sentences, a multiple of `ALIKE`.
        generator: The source of randomness.

    Returns:
        int64 (count, 4); all objects of a row differ. Extreme scenes are kept as drawn.
    """
    parts = draw_parts(count, generator=generator, named=1.0)
    things = [torch.randperm(len(OBJECTS), generator=generator) for _ in range(count // ALIKE)]
    alike = draw_full_parts(count // ALIKE, generator=generator).repeat_interleave(ALIKE, dim=0)
    alike[:, 0] = torch.cat([order[:ALIKE] for order in things])
    return torch.where(is_extreme(parts[:, :1]), parts, alike)
