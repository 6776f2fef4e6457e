"""The control without seeds: each cell's noise comes from its prompt and seed together.

Every image is as good as before, but no random stream is shared by two prompts, so a seed
exists in name only. Whatever a study still finds about "seeds" in such a run is an artefact:
of tiles, of actors, of the statistics.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.interventions.base import Intervention

if TYPE_CHECKING:
    from pipeline.batch import Batch


class SeedScramble(Intervention):
    """Noise of hash(prompt, seed) instead of noise of the seed."""

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """The low 32 bits of sha256 over the prompt's id and the seed."""
        return [scramble(p.id, seed) for p, seed in zip(batch.prompts, batch.seeds, strict=True)]


def scramble(prompt_id: str, seed: int) -> int:
    """The stand-in seed of a cell, in [0, 2**32).

    Example:
        >>> scramble("a", 0) == scramble("a", 0), scramble("a", 0) == scramble("b", 0)
        (True, False)
    """
    digest = hashlib.sha256(f"{prompt_id}:{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
