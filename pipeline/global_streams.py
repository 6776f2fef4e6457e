"""Watches the random streams that all code of a process shares.

All noise of an image comes from the generators of its seed. What draws from a shared stream instead
draws other noise each time, and no seed brings it back.
"""

import random

import numpy as np
import torch

__all__ = ["disturb", "positions", "used_since"]


def positions() -> dict[str, bytes]:
    """Give the position of each shared stream.

    Returns:
        Name of a stream -> bytes that change whenever somebody draws from it.
    """
    found = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state(legacy=False)).encode(),  # noqa: NPY002 - it is watched
        "random": repr(random.getstate()).encode(),
    }
    if _cuda_is_used():
        found["torch.cuda"] = b"".join(s.numpy().tobytes() for s in torch.cuda.get_rng_state_all())
    return found


def used_since(earlier: dict[str, bytes]) -> list[str]:
    """Name the streams that somebody drew from.

    Args:
        earlier: What `positions` gave before.

    Example:
        >>> before = positions()
        >>> _ = random.random()
        >>> used_since(before)
        ['random']
    """
    return [name for name, now in positions().items() if earlier.get(name, now) != now]


def disturb() -> None:
    """Draw from each stream once, so that whoever draws from it next gets other numbers."""
    torch.rand(())
    np.random.random_sample()  # noqa: NPY002 - the shared stream is what is moved
    random.random()
    if _cuda_is_used():
        for device in range(torch.cuda.device_count()):
            torch.rand((), device=f"cuda:{device}")


def _cuda_is_used() -> bool:
    return bool(torch.cuda.is_available() and torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
