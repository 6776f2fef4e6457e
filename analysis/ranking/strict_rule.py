"""Apply the stricter rule for golden seeds, which bounds the expected share of wrong seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import jackknife_error
from analysis.statistics.leave_out import balanced_blocks
from analysis.statistics.nulls import Direction
from analysis.statistics.reliability import (
    golden_by_expected_error,
    top_quarter_probability,
)
from analysis.statistics.shrinkage import shrink

EXPECTED_ERROR = 0.10


def strict_golden(
    metric: Metric,
    prepared: Sequence[Any],
    sample: Sample,
    rng: np.random.Generator,
    *,
    share: float,
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

    Returns:
        Seeds, the most probable first; possibly none. The probabilities are not calibrated below
        about 250 seeds: see `analysis.statistics.shrinkage.Shrunken`.
    """
    top = top_probabilities(metric, prepared, sample, rng, share=share)
    return tuple(sample.seeds[i] for i in golden_by_expected_error(top, limit=EXPECTED_ERROR))


def top_probabilities(
    metric: Metric,
    prepared: Sequence[Any],
    sample: Sample,
    rng: np.random.Generator,
    *,
    share: float,
) -> Floats:
    """Compute the posterior probability of each seed to be in the true top share, shape (S,).

    Args:
        metric: A metric with a better end.
        prepared: What `metric.prepare` returned for the sample.
        sample: The cells of the prompts that judge.
        rng: Draws from the posterior.
        share: Share of the seeds that counts as the top.
    """
    values = metric.values(prepared)
    shrunken = shrink(values, deviation_errors(metric, prepared, sample))
    best: Direction = "higher" if metric.higher_is_better else "lower"
    return top_quarter_probability(shrunken.mean, shrunken.sd, rng, direction=best, share=share)


def deviation_errors(metric: Metric, prepared: Sequence[Any], sample: Sample) -> Floats:
    """Estimate the standard error of each seed's deviation from the mean over seeds, shape (S,).

    The estimate is a delete-group jackknife over at most 20 blocks. It is itself noisy, and a
    list that trusts it would select seeds whose error was underestimated: in a simulation of 256
    seeds as noisy as they differ, 17 % of a list were wrong where 10 % were expected. The squared
    error is therefore averaged with its mean over all seeds; then, 11 % are wrong.

    The error is always positive, even for a value whose error is zero: at least a billionth of
    the range of values, or 1 if all seeds are equal.

    Source:
        Moderated variances: Smyth 2004, Statistical Applications in Genetics and Molecular
        Biology 3(1), article 3, with a prior that weighs as much as the seed's own.
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
    return np.asarray(np.maximum(moderated, 1e-9 * float(np.ptp(values)) or 1.0))
