"""Says which seeds a planted run degrades, and by how much.

The intervention that degrades them and the study that must find them both read it here.
"""

import hashlib
from collections.abc import Sequence

STRENGTHS = (0.05, 0.1, 0.2, 0.4)
"""Shares of the contrast that planted seeds lose, in turn."""
ONE_IN = 20
"""One of this many consecutive seeds is planted: 5 %."""


def planted(seed: int, *, strengths: Sequence[float] = STRENGTHS, one_in: int = ONE_IN) -> float:
    """The share of its contrast that a seed loses; 0.0 for a seed that is not planted.

    The seeds are cut into groups of `one_in` consecutive seeds. A hash chooses the planted seed of
    each group, so that its position in a tile is not fixed; the strengths take turns from one
    group to the next.

    Args:
        seed: The seed.
        strengths: The shares of contrast that are lost.
        one_in: Size of a group.

    Example:
        >>> strengths = [planted(seed) for seed in range(1000)]
        >>> sum(strength > 0 for strength in strengths)
        50
        >>> sorted(strength for strength in strengths if strength)[::13]
        [0.05, 0.1, 0.2, 0.4]
    """
    group, position = divmod(seed, one_in)
    digest = hashlib.sha256(f"seed_plant:{group}".encode()).digest()
    if int.from_bytes(digest[:8], "little") % one_in != position:
        return 0.0
    return strengths[group % len(strengths)]
