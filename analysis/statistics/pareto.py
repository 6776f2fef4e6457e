"""Compare settings by two numbers of which both should be large: which points are not dominated."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import Flags


def undominated(points: ArrayLike) -> Flags:
    """Flag the points that no other point dominates (as good in both numbers, better in one).

    Args:
        points: Shape (A, 2), larger is better.

    Example:
        >>> undominated([[0, 2], [1, 1], [0, 1], [2, 0]]).tolist()
        [True, True, False, True]
    """
    x = np.asarray(points, dtype=np.float64)
    no_worse = (x[:, None] >= x[None]).all(axis=2)
    better = (x[:, None] > x[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def best_beyond(curve: ArrayLike, level: float) -> float:
    """The best second number on a polyline where the first number is at least `level`.

    Settings between the measured settings are taken to lie on the straight line between them. The
    polyline may turn back.

    Args:
        curve: Shape (K, 2), in the order of the setting; larger is better.
        level: Smallest acceptable first number.

    Returns:
        The best second number. If no point reaches `level`, the second number of the point with
        the largest first number.

    Example:
        >>> curve = [[0, 0], [1, 2], [2, 1]]
        >>> [best_beyond(curve, level) for level in (0, 1.5, 3)]
        [2.0, 1.5, 1.0]
    """
    x, y = np.asarray(curve, dtype=np.float64).T
    beyond = y[x >= level].tolist()
    for i in range(len(x) - 1):
        if (x[i] - level) * (x[i + 1] - level) < 0:
            beyond.append(y[i] + (level - x[i]) / (x[i + 1] - x[i]) * (y[i + 1] - y[i]))
    return float(max(beyond, default=y[np.argmax(x)]))
