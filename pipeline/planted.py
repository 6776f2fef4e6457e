"""Which seeds a planted run degrades, and how far: known beforehand to whoever draws or checks."""

import hashlib
from collections.abc import Sequence

STRENGTHS = (0.05, 0.1, 0.2, 0.4)
"""Shares of the contrast that are taken away, in turn."""
ONE_IN = 20
"""Of so many seeds in a row, one is planted: 5 %."""


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
