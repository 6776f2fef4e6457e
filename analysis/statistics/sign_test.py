"""What a number of paired comparisons can show."""

import scipy


def sign_test_power(n: int, share: float, *, level: float = 0.05) -> float:
    """Probability that a sign test of n independent pairs finds an advantage.

    Args:
        n: Number of pairs with a winner, at least 1.
        share: True share of the pairs that the better side wins, in (0.5, 1].
        level: Error of the first kind, two-sided.

    Returns:
        The probability that the better side wins significantly often, by the exact binomial test.

    Example:
        >>> round(sign_test_power(100, 0.6), 2)
        0.46
    """
    binomial = scipy.stats.binom
    least = int(binomial.isf(level / 2, n, 0.5)) + 1  # P(X >= least) <= level / 2
    return float(binomial.sf(least - 1, n, share))


def pairs_needed(share: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Number of pairs from which on a sign test has this power.

    Args:
        share: True share of the pairs that the better side wins, at least 0.51.
        power: The wanted power, in (0, 1).
        level: Error of the first kind, two-sided.

    Example:
        >>> pairs_needed(0.6), pairs_needed(0.75)
        (199, 30)
    """
    # The exact power is not monotone in n: the number is the first n that reaches the power.
    n = 1
    while sign_test_power(n, share, level=level) < power:
        n += 1
    return n
