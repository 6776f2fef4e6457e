"""A control without seeds: the noise of a cell depends on its prompt and its seed together.

The images are as good as before, but no two prompts share a random stream, so a seed is a name
without an effect. What a study still finds about "seeds" in such a run is an artefact of tiles,
actors or statistics.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.interventions.base import Intervention

if TYPE_CHECKING:
    from pipeline.batch import Batch


class SeedScramble(Intervention):
    """Draws the noise of hash(prompt, seed) instead of the noise of the seed."""

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """Give the low 32 bits of the sha256 of the prompt's id and the seed."""
        return [scramble(p.id, seed) for p, seed in zip(batch.prompts, batch.seeds, strict=True)]


def scramble(prompt_id: str, seed: int) -> int:
    """Give the seed that stands in for a cell's own, in [0, 2**32).

    Example:
        >>> scramble("a", 0) == scramble("a", 0), scramble("a", 0) == scramble("b", 0)
        (True, False)
    """
    digest = hashlib.sha256(f"{prompt_id}:{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
