"""A value with its confidence bounds, and the two scales they are made on."""

from dataclasses import dataclass, replace

import scipy


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower bound; not clipped to the range of the quantity.
        high: Upper bound.
        n: Number of images (cells, seeds) behind the value.
        method: How the interval was made, in words, with its confidence level.
    """

    value: float
    low: float
    high: float
    n: int
    method: str


def t_interval(
    value: float, error: float, *, freedom: int, n: int, method: str, level: float = 0.95
) -> Interval:
    """Interval value +- t x error.

    Args:
        value: The estimate.
        error: Its standard error, at least 0.
        freedom: Degrees of freedom of Student's t.
        n: Number of images behind the value.
        method: How `error` was made; the level is appended.
        level: Confidence, in (0, 1).

    Example:
        >>> t_interval(1.0, 0.0, freedom=3, n=4, method="exact").method
        'exact, 95 %'
    """
    half = float(scipy.stats.t.ppf((1 + level) / 2, freedom)) * error
    return Interval(value, value - half, value + half, n, f"{method}, {100 * level:g} %")


def root_scale(interval: Interval, *, power: int, offset: float = 0.0) -> Interval:
    """The same interval made on the scale of a root, where squared distances are near normal.

    The standard error of a squared distance grows with the distance, so a symmetric interval
    around a low draw is too short to reach up to the truth: all misses lie on one side. The
    half width h becomes h / (power x root^(power - 1)) around the root of value + offset.

    Args:
        interval: A symmetric one.
        power: 2 for the square root, 3 for the cube root.
        offset: Added before the root is taken and subtracted afterwards, at least 0.

    Example:
        >>> root_scale(Interval(4.0, 0.0, 8.0, 9, "t"), power=2)
        Interval(value=4.0, low=1.0, high=9.0, n=9, method='t')
    """
    half = interval.high - interval.value
    root = max(interval.value + offset, 0.0) ** (1 / power)
    base = max(interval.value, 0.0) + offset or half
    step = half / (power * base ** (1 - 1 / power)) if half > 0 else 0.0
    low = max(root - step, 0.0) ** power - offset
    return replace(interval, low=low, high=(root + step) ** power - offset)
