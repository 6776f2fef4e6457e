"""Checks groups: the images that an intervention draws together.

A group is one prompt with `group_size` consecutive seeds, the first of which is a multiple of the
size: for groups of 4, seeds 0-3, 4-7 and so on. So the group of an image follows from its seed and
does not depend on how the grid was cut or grew, and run, prompt and seed still determine the image
of a cell. This module does not import torch.
"""

from collections.abc import Sequence

from pipeline.errors import ConfigError
from pipeline.interventions import INTERVENTIONS
from pipeline.registry import load


def group_size(intervention: str) -> int:
    """Give the number of images that an intervention draws together.

    Args:
        intervention: Its name, or the dotted path of a user's own class.

    Example:
        >>> group_size("none"), group_size("particle_guidance")
        (1, 4)
    """
    kind = load(INTERVENTIONS, intervention, "intervention")
    return int(getattr(kind, "group_size", 1))  # what is no intervention is refused when it is made


def check_groups(
    intervention: str, *, batch_size: int, tile_seeds: int, seeds: Sequence[int]
) -> None:
    """Refuse a batch size, a tile or a list of seeds that would cut a group.

    Args:
        intervention: Its name.
        batch_size: Images drawn together.
        tile_seeds: Seeds in a tile.
        seeds: The seeds in drawing order.

    Raises:
        ConfigError: If one of them does not hold a whole number of groups; the message names both
            numbers.

    Example:
        >>> check_groups("none", batch_size=5, tile_seeds=3, seeds=[7])
        >>> check_groups("particle_guidance", batch_size=30, tile_seeds=8, seeds=[0, 1, 2, 3])
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: intervention particle_guidance draws groups of 4 images ...
    """
    size = group_size(intervention)
    for name, number in {"batch_size": batch_size, "tile.seeds": tile_seeds}.items():
        if number % size:
            raise ConfigError(
                f"intervention {intervention} draws groups of {size} images together, and {name} "
                f"is {number}: make it a multiple of {size}"
            )
    for start in range(0, len(seeds), size):
        group = list(seeds[start : start + size])
        first = group[0] - group[0] % size
        if group != list(range(first, first + size)):
            raise ConfigError(
                f"intervention {intervention} draws groups of {size} images together, and seeds "
                f"{group} are not {list(range(first, first + size))}: give seeds in whole groups, "
                f"{size} consecutive seeds from a multiple of {size}"
            )
