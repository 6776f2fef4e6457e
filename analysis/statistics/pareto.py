"""Curves of two numbers that are wanted large both, and which points of them nobody beats."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def undominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Whether no other point is at least as good in both and better in one.

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
    """The best second number on a polyline where the first is at least `level`.

    What a curve of settings can give to whoever wants that much of the first number, settings
    between the measured ones being on the straight line between them. It may turn back.

    Args:
        curve: Shape (K, 2), in the order of the setting, larger is better.
        level: What is wanted of the first number.

    Returns:
        The second number; where the curve never gets that far, that of its farthest point.

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
