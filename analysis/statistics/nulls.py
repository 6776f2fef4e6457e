"""P-values of permuted draws, and the null "two unrelated rankings"."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.monte_carlo import ROUNDING

Direction = Literal["higher", "lower"]


def pooled_p_values(
    observed: ArrayLike, null: ArrayLike, *, direction: Direction = "higher"
) -> Floats:
    """One-sided p-value of each seed against null values pooled over all seeds.

    p = (b + 1) / (B + 1), where B is the number of null values of all seeds and b is the number
    of them that are at least as extreme as the seed's value; values that differ only by rounding
    are equal. Under the null all seeds have the same distribution, so their null values can be
    pooled: few permutations then give fine-grained p-values.

    Args:
        observed: Shape (S,).
        null: Shape (B, S), the metric of each seed in each permuted draw.
        direction: "higher" if large values are extreme, "lower" if small ones are.

    Returns:
        Shape (S,), in (0, 1].

    Raises:
        ValueError: If the shapes disagree or a value is not finite.

    Source:
        Phipson and Smyth 2010, "Permutation p-values should never be zero".

    Example:
        >>> pooled_p_values([5.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
        array([0.2, 1. ])
    """
    x, draws = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if x.ndim != 1 or draws.ndim != 2 or draws.shape[1] != len(x):
        raise ValueError(
            f"observed has shape {x.shape} and null {draws.shape}; (S,) and (B, S) are needed"
        )
    if not (np.isfinite(x).all() and np.isfinite(draws).all()):
        raise ValueError("observed or null holds values that are not finite; drop those seeds")
    pool, x = (np.sort(draws.ravel()), x) if direction == "higher" else (np.sort(-draws, None), -x)
    rounding = ROUNDING * np.abs(pool).max(initial=0.0)
    beyond = pool.size - np.searchsorted(pool, x - rounding, side="left")
    return np.asarray((beyond + 1) / (pool.size + 1))


@dataclass(frozen=True)
class OverlapNull:
    """Distribution of the number of seeds that two unrelated lists share.

    Attributes:
        population: Number of seeds.
        first: Length of one list.
        second: Length of the other.
        mean: Expected number of shared seeds.
        sd: Its standard deviation.
    """

    population: int
    first: int
    second: int
    mean: float
    sd: float

    def probability_at_least(self, shared: int) -> float:
        """Probability that unrelated lists share `shared` seeds or more."""
        law = stats.hypergeom(self.population, self.first, self.second)
        return float(law.sf(shared - 1))


def overlap_null(population: int, first: int, second: int) -> OverlapNull:
    """The hypergeometric distribution of the overlap of two unrelated lists.

    Args:
        population: Number of seeds, at least 1.
        first: Length of one list, 0 .. population.
        second: Length of the other, 0 .. population.

    Raises:
        ValueError: If a list is longer than the population.

    Example:
        >>> null = overlap_null(1024, 256, 256)
        >>> null.mean, round(null.sd, 2), round(null.probability_at_least(65), 2)
        (64.0, 6.0, 0.46)
    """
    if not (0 <= first <= population and 0 <= second <= population and population >= 1):
        raise ValueError(f"lists of {first} and {second} do not fit {population} seeds")
    mean = first * second / population
    rest = (population - first) * (population - second)
    # scipy's own formula divides by 0 if a list is the whole population.
    sd = math.sqrt(mean * rest / (population * max(population - 1, 1)))
    return OverlapNull(population, first, second, mean, sd)


def best_worst_gap(values: ArrayLike) -> Floats:
    """Largest minus smallest value over the last axis, the seeds.

    The gap grows with the number of seeds even if no seed differs, so it is reported only next to
    the gaps of permuted draws: pass those as shape (B, S).

    Args:
        values: Shape (..., S).

    Returns:
        Shape (...), float64.

    Example:
        >>> best_worst_gap([[1.0, 4.0, 2.0], [0.0, 0.0, 1.0]])
        array([3., 1.])
    """
    return np.asarray(np.ptp(np.asarray(values, dtype=np.float64), axis=-1))
