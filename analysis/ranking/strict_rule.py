"""The stricter rule for golden seeds: a list whose expected share of wrong seeds is bounded."""

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
    """The seeds that set 2 alone shows to be of the true top share, by expected error.

    Values are shrunken to the population of seeds; a seed's error is that of its deviation
    from the mean of all seeds, by jackknife over prompt groups, for what the prompts do to
    every seed moves no rank. Listed are the most probable seeds, as many as keep the expected
    share of wrong ones at 10 % or less.

    Args:
        metric: A metric with a better end.
        prepared: What `metric.prepare` made of set 2.
        sample: Set 2.
        rng: Draws from the posterior.
        share: Share of the seeds that counts as the top.

    Returns:
        Seeds, the most probable first; possibly none. The errors are not calibrated below
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
    """Posterior probability of every seed to belong to the true top share, shape (S,).

    Args:
        metric: A metric with a better end.
        prepared: What `metric.prepare` made of the sample.
        sample: The prompts that judge.
        rng: Draws from the posterior.
        share: Share of the seeds that counts as the top.
    """
    values = metric.values(prepared)
    shrunken = shrink(values, deviation_errors(metric, prepared, sample))
    best: Direction = "higher" if metric.higher_is_better else "lower"
    return top_quarter_probability(shrunken.mean, shrunken.sd, rng, direction=best, share=share)


def deviation_errors(metric: Metric, prepared: Sequence[Any], sample: Sample) -> Floats:
    """Standard error of every seed's deviation from the mean over seeds, shape (S,).

    Delete-group jackknife over at most 20 blocks. Such an error is itself noisy, and a list that
    trusts it picks the seeds whose error came out too small: 17 % of a list were wrong where
    10 % were announced (256 seeds as noisy as they differ, simulated). So its square is averaged
    with the mean over all seeds, and 11 % are.
    Positive also where a value has no error at all: a billionth of the range, or 1 where all
    seeds are equal.

    Source:
        Moderated variances: Smyth 2004, Statistical Applications in Genetics and Molecular
        Biology 3(1), article 3, with a prior that weighs as much as the seed's own.
    """
    blocks = balanced_blocks(sample.groups, sample.n)
    sizes = np.bincount(blocks)
    rows = [metric.values([a[:, blocks != one] for a in prepared]) for one in range(len(sizes))]
    without = np.array(rows)
    without -= without.mean(axis=1, keepdims=True)
    values = metric.values(prepared)
    pairs = zip(values - values.mean(), without.T, strict=True)
    own = np.array([jackknife_error(float(value), left, sizes) for value, left in pairs]) ** 2
    moderated = np.sqrt((own + own.mean()) / 2)
    return np.asarray(np.maximum(moderated, 1e-9 * float(np.ptp(values)) or 1.0))
