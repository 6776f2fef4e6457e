"""What chance alone would give: no seed effect, and two unrelated rankings."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import Floats

Direction = Literal["higher", "lower"]


def permute_within_prompt(values: ArrayLike, rng: np.random.Generator) -> NDArray[np.generic]:
    """Draw once from the null "no seed effect".

    Within each prompt, independently, it is permuted which seed owns which image; everything
    that belongs to an image moves together. Relabelling whole seeds would test nothing: it
    leaves every seed's images, and so every metric, as they are.

    Args:
        values: Shape (S, P, ...): seeds, prompts, then the features of an image.
        rng: The random stream.

    Returns:
        A new array of the same shape and dtype.

    Raises:
        ValueError: If there are fewer than two axes.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> null = permute_within_prompt([[1, 10], [2, 20], [3, 30]], rng)
        >>> np.sort(null, axis=0).tolist()
        [[1, 10], [2, 20], [3, 30]]
    """
    x = np.asarray(values)
    if x.ndim < 2:
        raise ValueError(f"values have shape {x.shape}; (seeds, prompts, ...) is needed")
    owner = rng.permuted(np.broadcast_to(np.arange(len(x))[:, None], x.shape[:2]), axis=0)
    return np.asarray(x[owner, np.arange(x.shape[1])])


def permuted_means(
    values: ArrayLike, rng: np.random.Generator, *, draws: int, turns: int = 25
) -> Floats:
    """Means of every seed under "no seed effect", many draws at the price of few.

    A permutation of a prompt's images followed by a turn (every image to the seed so many
    places further) by a random amount is again any permutation with the same probability. So
    images are permuted once in `turns` draws and turned, independently in each prompt, in all
    of them: each draw has exactly the law of `permute_within_prompt`. Draws that share a
    permutation are not quite independent, which widens the error of a p-value by nothing that
    shows (p-values of 200 runs without effect are uniform, tested).

    Args:
        values: Shape (S, P).
        rng: The random stream.
        draws: How many.
        turns: Draws per permutation, at least 1.

    Returns:
        Shape (draws, S).

    Example:
        >>> null = permuted_means([[1.0], [2.0], [3.0]], np.random.default_rng(0), draws=2)
        >>> np.sort(null, axis=1).tolist()
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """
    x = np.ascontiguousarray(np.asarray(values, dtype=np.float64).T)
    if x.ndim != 2 or turns < 1:
        raise ValueError(f"values have {x.ndim} axes, turns is {turns}; (S, P) and >= 1")
    prompts, seeds = x.shape
    place, found = np.arange(prompts), np.empty((draws, seeds))
    for draw, row in enumerate(found):
        if draw % turns == 0:
            moved = rng.permuted(x, axis=1)
            windows = np.lib.stride_tricks.sliding_window_view(
                np.concatenate([moved, moved], axis=1), seeds, axis=1
            )
        row[:] = windows[place, rng.integers(seeds, size=prompts)].mean(axis=0)
    return found


def pooled_p_values(
    observed: ArrayLike, null: ArrayLike, *, direction: Direction = "higher"
) -> Floats:
    """Share of the null, pooled over seeds, at least as extreme as each seed.

    p = (b + 1) / (B + 1) with B the number of all null values and b how many of them are at
    least as extreme. Under the null all seeds are alike, so the null values of all of them
    serve each: few permutations then give fine p-values.

    Args:
        observed: Shape (S,).
        null: Shape (B, S), the metric of every seed in each permuted draw.
        direction: "higher" if large values are extreme, "lower" if small ones are.

    Returns:
        Shape (S,), in (0, 1].

    Raises:
        ValueError: If the shapes disagree or a number is not finite.

    Source:
        Phipson and Smyth 2010, "Permutation p-values should never be zero".

    Example:
        >>> pooled_p_values([5.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
        array([0.2, 1. ])
    """
    x, draws = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if x.ndim != 1 or draws.ndim != 2 or draws.shape[1] != len(x):
        raise ValueError(f"observed has shape {x.shape} and null {draws.shape}; (S,) and (B, S)")
    if not (np.isfinite(x).all() and np.isfinite(draws).all()):
        raise ValueError("observed or null holds numbers that are not finite")
    pool, x = (np.sort(draws.ravel()), x) if direction == "higher" else (np.sort(-draws, None), -x)
    beyond = pool.size - np.searchsorted(pool, x, side="left")
    return np.asarray((beyond + 1) / (pool.size + 1))


@dataclass(frozen=True)
class OverlapNull:
    """How many members two unrelated lists of one population share.

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
    """The hypergeometric law of the overlap of two unrelated lists.

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
    # scipy's own formula divides by 0 where a list is the whole population.
    sd = math.sqrt(mean * rest / (population * max(population - 1, 1)))
    return OverlapNull(population, first, second, mean, sd)


def best_worst_gap(values: ArrayLike) -> Floats:
    """Largest less smallest value over the last axis, the seeds.

    It grows with the number of seeds even where no seed differs, so it is shown only beside
    the gap of permuted draws: pass those as shape (B, S).

    Args:
        values: Shape (..., S).

    Returns:
        Shape (...), float64.

    Example:
        >>> best_worst_gap([[1.0, 4.0, 2.0], [0.0, 0.0, 1.0]])
        array([3., 1.])
    """
    return np.asarray(np.ptp(np.asarray(values, dtype=np.float64), axis=-1))
