"""Estimate how far a ranking repeats on other prompts, and how many prompts it would need.

Means of one number per image follow the Spearman-Brown formula. A distance between distributions
does not, so its reliability is measured: the prompt groups of both sets are pooled and split at
random into halves, each as large as one set, and the metric is computed on each half.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Flags, Floats, Indices
from analysis.statistics.intervals import Interval
from analysis.statistics.leave_out import deal_groups, group_codes
from analysis.statistics.reliability import (
    fisher_bounds,
    rank_correlation,
    split_half,
)

SPLITS = 20
QUARTERS = 4
LEAST_IMAGES = 3
"""Images per seed in a quarter, at least; a distance of fewer images has no interval either."""
TARGET_RELIABILITY = 0.5
"""Reliability for which the number of prompts is estimated: half of the variance of a set's values
is due to seeds, so that a second set repeats most of the order."""
FURTHEST = 4
"""A measured curve is extrapolated at most to this multiple of its largest n."""


@dataclass(frozen=True)
class Repeatability:
    """Reliability of a ranking.

    Attributes:
        full: With `full.n` images per seed, as many as a set has.
        half: Measured with half as many images. None for means of one number per image, whose
            reliability grows by a known formula, and if there are too few prompts.
        across_groups: Whether halves without a common prompt group were compared. If there are
            too few groups for that, `full` is the rank correlation of the two sets.
    """

    full: Interval
    half: Interval | None
    across_groups: bool = True


@dataclass(frozen=True)
class Needed:
    """Prompts per set for a reliability of 0.5.

    Attributes:
        prompts: The number; None if it cannot be given, or the reliability is already reached.
        words: The number in words, or why there is none.
    """

    prompts: int | None
    words: str


def repeatability(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    rng: np.random.Generator,
) -> Repeatability:
    """Estimate the reliability of a ranking by a metric.

    For a mean of one number per image, it is split-half over the prompt groups of set 2, stepped
    up by Spearman-Brown. For a distance, see `measured`. With fewer than 4 prompt groups, it is
    the rank correlation of the two sets, and `method` says so.

    Args:
        metric: The metric.
        prepared: What `metric.prepare` returned for each set.
        samples: Set 1 and set 2.
        rng: Draws the splits.
    """
    if not metric.per_image_mean:
        reliability = measured(metric, prepared, samples, rng)
        if reliability is not None:
            return reliability
    elif len(set(samples[1].groups)) >= QUARTERS:
        full = split_half(prepared[1][0], samples[1].groups, rng).full
        if np.isfinite([full.value, full.low, full.high]).all():
            return Repeatability(full, None)
    between = rank_correlation(*(metric.values(arrays) for arrays in prepared))
    method = f"correlation between the two sets; {between.method}"
    return Repeatability(
        Interval(between.value, between.low, between.high, samples[1].n, method),
        half=None,
        across_groups=False,
    )


def measured(
    metric: Metric,
    prepared: Sequence[Sequence[Any]],
    samples: Sequence[Sample],
    rng: np.random.Generator,
    *,
    splits: int = SPLITS,
) -> Repeatability | None:
    """Measure the reliability of any metric, without extrapolation.

    The prompt groups of both sets are dealt at random into four parts of nearly equal size.
    Two parts against the other two give the rank correlation at the size of one set; single
    parts give it at half that size. Groups are never split.

    Args:
        metric: The metric.
        prepared: What `metric.prepare` returned for each set.
        samples: Set 1 and set 2.
        rng: Draws the splits.
        splits: Number of random splits.

    Returns:
        Mean Spearman correlations over splits; n is the number of images per seed on each side.
        The interval is Fisher's for a single split, with the seeds as the sample. The mean of
        several splits is at least as exact, so the interval is rather too wide. None for fewer
        than 4 groups or 12 prompts.
    """
    groups = np.concatenate([sample.groups for sample in samples])
    codes = group_codes(groups, len(groups))
    correlations: list[tuple[float, float]] = []
    for _ in range(splits):
        part = deal_groups(codes, QUARTERS, rng)
        if np.bincount(part, minlength=QUARTERS).min() < LEAST_IMAGES:
            return None
        correlations.append(_correlations(metric, prepared, part))
    full, half = (float(value) for value in np.mean(correlations, axis=0))
    seeds = len(samples[0].seeds)
    return Repeatability(
        _interval(full, seeds, len(codes) // 2, splits),
        _interval(half, seeds, len(codes) // QUARTERS, splits),
    )


def _interval(value: float, seeds: int, n: int, splits: int) -> Interval:
    method = (
        f"measured: mean Spearman correlation over {splits} random splits of both sets' prompt "
        f"groups, {n} images per seed on each side; Fisher z over {seeds} seeds, 95 %"
    )
    return Interval(value, *fisher_bounds(value, seeds), n, method)


def _correlations(
    metric: Metric, prepared: Sequence[Sequence[Any]], part: Indices
) -> tuple[float, float]:
    """Compute the rank correlation of the halves, and the mean over all pairs of quarters."""
    halves = [_values(metric, prepared, np.isin(part, pair)) for pair in ((0, 1), (2, 3))]
    quarters = [_values(metric, prepared, part == number) for number in range(QUARTERS)]
    pairs = [rank_correlation(*pair).value for pair in itertools.combinations(quarters, 2)]
    return rank_correlation(*halves).value, float(np.mean(pairs))


def _values(metric: Metric, prepared: Sequence[Sequence[Any]], chosen: Flags) -> Floats:
    """Compute the metric on some prompts of both sets; those of set 1 come first in `chosen`."""
    first, second = prepared
    cut = first[0].shape[1]
    return metric.values(
        [
            np.concatenate([of_first[:, chosen[:cut]], of_second[:, chosen[cut:]]], axis=1)
            for of_first, of_second in zip(first, second, strict=True)
        ]
    )


def prompts_needed(
    known: Repeatability, *, per_image_mean: bool, target: float = TARGET_RELIABILITY
) -> Needed:
    """Estimate how many prompts per set a reliability of `target` needs.

    For a mean of one number per image, the Spearman-Brown formula is solved for n. For a
    distance, reliability n / (n + k) is fitted to the two measured points: the variance of the
    seeds is fixed, and the noise of an unbiased estimator falls as 1/n. The curve is extrapolated
    to at most 4 times the measured n.

    Args:
        known: The reliability that was measured.
        per_image_mean: Whether the metric is a mean of one number per image.
        target: The reliability, in (0, 1).

    Example:
        >>> half, full = (Interval(10 * i / (10 * i + 50), 0, 1, 10 * i, "") for i in (1, 2))
        >>> prompts_needed(Repeatability(full, half), per_image_mean=False).prompts
        50
    """
    r, n = known.full.value, known.full.n
    odds = target / (1 - target)
    if r >= target:
        return Needed(
            None,
            f"The reliability is {r:z.2f} with {n:,} prompts already, so no larger number of "
            "prompts is given.",
        )
    if r <= 0:
        return Needed(
            None,
            f"No number of prompts can be given: the reliability is {r:z.2f}, so no repeatable "
            "difference between seeds was found.",
        )
    if per_image_mean:
        return _number(int(np.ceil(n * odds * (1 - r) / r)), target, "Spearman-Brown")
    return _extrapolated(known, target)


def _number(prompts: int, target: float, how: str) -> Needed:
    return Needed(
        prompts,
        f"With this noise about {prompts:,} prompts per set would be needed for a reliability "
        f"of {target:g} ({how}).",
    )


def _extrapolated(known: Repeatability, target: float) -> Needed:
    """Extrapolate the measured curve of a distance to at most `FURTHEST` times its largest n."""
    full, half = known.full, known.half
    if half is None:
        return Needed(
            None,
            "No number of prompts can be given: there are too few prompt groups to measure the "
            "reliability of this distance at two sizes.",
        )
    noise = _noise(half, full)
    prompts = max(int(np.ceil(target / (1 - target) * noise)), full.n + 1)
    if prompts > FURTHEST * full.n:
        return Needed(
            None,
            f"No number of prompts can be given: it would be more than {FURTHEST * full.n:,} per "
            f"set, {FURTHEST} times as many as were measured, and a distance's reliability is not "
            "extrapolated further.",
        )
    how = f"noise as 1/n, fitted at {half.n:,} and {full.n:,} images per seed"
    return _number(prompts, target, how)


def _noise(half: Interval, full: Interval) -> float:
    """Find the k with which n / (n + k) fits both points best, by least squares."""

    def misfit(log_k: float) -> float:
        k = float(np.exp(log_k))
        return sum((point.n / (point.n + k) - point.value) ** 2 for point in (half, full))

    span = (np.log(full.n) - 7, np.log(full.n) + 7)
    best = optimize.minimize_scalar(misfit, bounds=span, options={"xatol": 1e-9}, method="bounded")
    return round(float(np.exp(best.x)), 3)
