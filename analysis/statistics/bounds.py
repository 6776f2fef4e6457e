"""A value with its confidence bounds, on the scale of the value or of its root."""

from dataclasses import dataclass, replace

import scipy


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower bound; not clipped to the range of the quantity.
        high: Upper bound.
        n: Number of images (cells, seeds) that the value was computed from.
        method: How the interval was computed, in words, with its confidence level.
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
        n: Number of images that the value was computed from.
        method: How `error` was computed; the level is appended.
        level: Confidence, in (0, 1).

    Example:
        >>> t_interval(1.0, 0.0, freedom=3, n=4, method="exact").method
        'exact, 95 %'
    """
    half = float(scipy.stats.t.ppf((1 + level) / 2, freedom)) * error
    return Interval(value, value - half, value + half, n, f"{method}, {100 * level:g} %")


def two_sided_p(interval: Interval, *, freedom: int, level: float = 0.95) -> float:
    """The p-value of "the true value is 0" that belongs to an interval of `t_interval`.

    Args:
        interval: Value and ends, which may be NaN; so is the p-value then.
        freedom: Degrees of freedom of Student's t, as for `t_interval`.
        level: Confidence of the interval, in (0, 1).

    Returns:
        In 0..1; below 1 - level where the interval does not hold 0.

    Example:
        >>> round(two_sided_p(t_interval(2.0, 1.0, freedom=10, n=9, method="t"), freedom=10), 3)
        0.073
    """
    error = (interval.high - interval.low) / (2 * scipy.stats.t.ppf((1 + level) / 2, freedom))
    if error == 0:
        return float(interval.value == 0)
    return float(2 * scipy.stats.t.sf(abs(interval.value) / error, freedom))


def root_scale(interval: Interval, *, power: int, offset: float = 0.0) -> Interval:
    """Compute an interval on the scale of a root, where squared distances are nearly normal.

    The standard error of a squared distance grows with the distance, so a symmetric interval
    around a low estimate is too short and lies below the true value too often. On the root scale
    the half width h becomes h / (power x root^(power - 1)) around the root of value + offset.

    Args:
        interval: A symmetric interval.
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
