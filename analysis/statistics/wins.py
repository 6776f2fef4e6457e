"""Count how often some seeds' images are better than other seeds' images of the same prompt."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Floats


def wins(chosen: ArrayLike, others: ArrayLike) -> Floats:
    """Share of the pairs in which the chosen seed's score is higher, per prompt; ties count half.

    Args:
        chosen: Shape (k, P).
        others: Shape (m, P).

    Returns:
        Shape (P,), 0..1.

    Example:
        >>> wins([[2.0, 1.0]], [[1.0, 1.0], [3.0, 0.0]]).tolist()
        [0.5, 0.75]
    """
    a, b = np.asarray(chosen, dtype=np.float64), np.sort(np.asarray(others, np.float64), axis=0)
    twice_beaten = [
        (np.searchsorted(b[:, p], a[:, p], "left") + np.searchsorted(b[:, p], a[:, p], "right"))
        for p in range(a.shape[1])
    ]
    return np.asarray(np.mean(twice_beaten, axis=1) / (2 * len(b)))
