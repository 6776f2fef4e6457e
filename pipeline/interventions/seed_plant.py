"""A planted seed effect of known size: can the whole pipeline find what is there?

In each 20 seeds in a row one is planted; its pictures lose a known part of their contrast,
whatever the prompt: what was v in [-1, 1] becomes (1 - strength) v. Everything else is the
baseline bit for bit. A study of such a run must list the planted seeds, the sooner the
stronger, and nothing else that the baseline does not show.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.interventions.base import Intervention, number, whole

if TYPE_CHECKING:
    import torch

    from pipeline.models.base import Batch

STRENGTHS = (0.05, 0.1, 0.2, 0.4)
"""Shares of the contrast that are taken away, in turn."""
ONE_IN = 20
"""Of so many seeds in a row, one is planted: 5 %."""


class SeedPlant(Intervention):
    """Takes contrast from the pictures of a few seeds.

    Args:
        parameters: `strengths` (each in [0, 1], by default 0.05, 0.1, 0.2, 0.4) and `one_in`
            (by default 20).

    Raises:
        ValueError: If a parameter is unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("strengths", "one_in")
    neutral: ClassVar[dict[str, object]] = {"strengths": [0.0], "one_in": 1}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        strengths = parameters.get("strengths", STRENGTHS)
        if not isinstance(strengths, (list, tuple)) or not strengths:
            raise ValueError(f"strengths are {strengths!r}; wanted a list of numbers from 0 to 1")
        self.strengths = tuple(number("a strength", s, low=0, high=1) for s in strengths)
        self.one_in = whole("one_in", parameters.get("one_in", ONE_IN), low=1)

    def pixels(self, pixels: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Take the planted part of the contrast away; other pictures are not touched."""
        changed = pixels.clone()
        for row, seed in enumerate(batch.seeds):
            strength = planted(seed, strengths=self.strengths, one_in=self.one_in)
            if strength:
                # Cut to the range first: what is clamped later would keep its contrast.
                changed[row] = pixels[row].clamp(-1, 1) * (1 - strength)
        return changed


def planted(seed: int, *, strengths: Sequence[float] = STRENGTHS, one_in: int = ONE_IN) -> float:
    """The share of its contrast that a seed loses, 0.0 for a seed that is not planted.

    Which of `one_in` seeds in a row it is comes from a hash, so that it falls on no fixed place
    of a tile; the strengths take turns from one such row to the next.

    Example:
        >>> found = {seed: planted(seed) for seed in range(1000)}
        >>> sum(strength > 0 for strength in found.values())
        50
        >>> sorted(s for s in found.values() if s)[::13]
        [0.05, 0.1, 0.2, 0.4]
    """
    row, place = divmod(seed, one_in)
    digest = hashlib.sha256(f"seed_plant:{row}".encode()).digest()
    if int.from_bytes(digest[:8], "little") % one_in != place:
        return 0.0
    return strengths[row % len(strengths)]
