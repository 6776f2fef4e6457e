"""Prompts that differ in the object alone."""

import torch
from torch import Tensor

from seedling.learning.degrade import draw_full_parts
from seedling.world.extremes import is_extreme
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import OBJECTS

ALIKE = 16
"""Scenes of a batch that name one colour, place and tone, so that only their objects tell their
sentences apart. Among scenes drawn each for itself colour, place and tone suffice: a network so
trained found 91 of 100 sentences and knew 15 % of the objects."""


def draw_alike(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw what sentences name, `ALIKE` in a row of one colour, place and tone.

    Args:
        count: How many, a multiple of `ALIKE`.
        generator: The source of randomness.

    Returns:
        int64 (count, 4), the objects of a row all different. Extreme scenes stay as they are.
    """
    parts = draw_parts(count, generator=generator, named=1.0)
    things = [torch.randperm(len(OBJECTS), generator=generator) for _ in range(count // ALIKE)]
    alike = draw_full_parts(count // ALIKE, generator=generator).repeat_interleave(ALIKE, dim=0)
    alike[:, 0] = torch.cat([order[:ALIKE] for order in things])
    return torch.where(is_extreme(parts[:, :1]), parts, alike)
