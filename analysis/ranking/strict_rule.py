"""Apply the stricter rule for golden seeds, which bounds the expected share of wrong seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.ranking.repeatability import Repeatability
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import jackknife_error
from analysis.statistics.leave_out import balanced_blocks
from analysis.statistics.nulls import Direction
from analysis.statistics.reliability import (
    golden_by_expected_error,
    top_quarter_probability,
)
from analysis.statistics.shrinkage import scaled_to_spread, shrink

EXPECTED_ERROR = 0.10


def strict_golden(
    metric: Metric,
    prepared: Sequence[Any],
    sample: Sample,
    rng: np.random.Generator,
    *,
    share: float,
    repeated: Repeatability | None = None,
) -> tuple[int, ...]:
    """List the seeds that most probably belong to the true top share, judged by set 2 alone.

    Values are shrunken to the population of seeds. Prompt effects common to all seeds do not
    change ranks, so the error of a seed is that of its deviation from the mean of all seeds, by
    jackknife over prompt groups. The most probable seeds are listed, as many as keep the expected
    share of wrong seeds at 10 % or less.

    Args:
        metric: A metric with a better end.
        prepared: What `metric.prepare` returned for set 2.
        sample: Set 2.
        rng: Draws from the posterior.
        share: Share of the seeds that counts as the top.
        repeated: See `deviation_errors`.

    Returns:
        Seeds, the most probable first; possibly none. The probabilities are not calibrated below
        about 250 seeds: see `analysis.statistics.shrinkage.Shrunken`.
    """
    top = top_probabilities(metric, prepared, sample, rng, share=share, repeated=repeated)
    return tuple(sample.seeds[i] for i in golden_by_expected_error(top, limit=EXPECTED_ERROR))


def top_probabilities(
    metric: Metric,
    prepared: Sequence[Any],
    sample: Sample,
    rng: np.random.Generator,
    *,
    share: float,
    repeated: Repeatability | None = None,
) -> Floats:
    """Compute the posterior probability of each seed to be in the true top share, shape (S,).

    Args:
        metric: A metric with a better end.
        prepared: What `metric.prepare` returned for the sample.
        sample: The cells of the prompts that judge.
        rng: Draws from the posterior.
        share: Share of the seeds that counts as the top.
        repeated: See `deviation_errors`.
    """
    values = metric.values(prepared)
    shrunken = shrink(values, deviation_errors(metric, prepared, sample, repeated))
    best: Direction = "higher" if metric.higher_is_better else "lower"
    return top_quarter_probability(shrunken.mean, shrunken.sd, rng, direction=best, share=share)


def deviation_errors(
    metric: Metric,
    prepared: Sequence[Any],
    sample: Sample,
    repeated: Repeatability | None = None,
) -> Floats:
    """Estimate the standard error of each seed's deviation from the mean over seeds, shape (S,).

    The estimate is a delete-group jackknife over at most 20 blocks. It is itself noisy, and a
    list that trusts it would select seeds whose error was underestimated: in a simulation of 256
    seeds as noisy as they differ, 17 % of a list were wrong where 10 % were expected. The squared
    error is therefore averaged with its mean over all seeds; then, 11 % are wrong.

    For a distance, the jackknife is too large, because a part of its noise comes from pairs of
    images and is counted twice (1.2 to 1.3 times too large for KID). If the reliability was
    measured, the errors of a distance are therefore scaled so that `shrink` finds the spread of the
    true effects that the reliability says: its root times the standard deviation of the values.

    The error is always positive, even for a value whose error is zero: at least a billionth of
    the range of values, or 1 if all seeds are equal.

    Args:
        metric: A metric.
        prepared: What `metric.prepare` returned for the sample.
        sample: The cells of a prompt set.
        repeated: The reliability of the metric, for the errors of a distance.

    Source:
        Moderated variances: Smyth 2004, Statistical Applications in Genetics and Molecular
        Biology 3(1), article 3, with a prior that weighs as much as the seed's own. Bias of the
        jackknife: Efron and Stein 1981, Annals of Statistics 9(3).
    """
    blocks = balanced_blocks(sample.groups, sample.n)
    sizes = np.bincount(blocks)
    rows = [metric.values([a[:, blocks != block] for a in prepared]) for block in range(len(sizes))]
    without = np.array(rows)
    without -= without.mean(axis=1, keepdims=True)
    values = metric.values(prepared)
    pairs = zip(values - values.mean(), without.T, strict=True)
    squares = np.array([jackknife_error(float(value), left, sizes) for value, left in pairs]) ** 2
    moderated = np.sqrt((squares + squares.mean()) / 2)
    errors = np.maximum(moderated, 1e-9 * float(np.ptp(values)) or 1.0)
    if repeated is None or not repeated.across_groups or metric.per_image_mean:
        return np.asarray(errors)
    spread = np.sqrt(_reliability_at(repeated, sample.n)) * values.std(ddof=1)
    return scaled_to_spread(values, errors, float(spread))


def _reliability_at(repeated: Repeatability, n: int) -> float:
    """Reliability with n images per seed, 0 to nearly 1, if noise falls as 1/n."""
    r, times = repeated.full.value, n / repeated.full.n
    return float(np.clip(times * r / (1 + (times - 1) * r), 0.0, 1 - 1e-9))
