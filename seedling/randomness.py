"""Make random streams: the only file of this package that creates a generator."""

import torch


def make_generator(seed: int) -> torch.Generator:
    """Make a new CPU generator for a seed; the global stream is never touched.

    Args:
        seed: Any integer in [0, 2^63).

    Returns:
        A `torch.Generator` on the CPU.

    Example:
        >>> bool(torch.equal(torch.rand(3, generator=make_generator(7)),
        ...                  torch.rand(3, generator=make_generator(7))))
        True
    """
    return torch.Generator().manual_seed(seed)


def uniform(count: int, low: float, high: float, *, generator: torch.Generator) -> torch.Tensor:
    """Draw `count` float32 numbers uniformly from [low, high), shape (count,)."""
    return low + (high - low) * torch.rand(count, generator=generator)


def happens(count: int, rate: float, *, generator: torch.Generator) -> torch.Tensor:
    """Draw `count` independent events of probability `rate`, bool, shape (count,)."""
    return torch.rand(count, generator=generator) < rate


def choose(count: int, options: int, *, generator: torch.Generator) -> torch.Tensor:
    """Draw `count` indices uniformly from 0..options-1, int64, shape (count,)."""
    return torch.randint(options, (count,), generator=generator)
