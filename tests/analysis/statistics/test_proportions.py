"""Wilson intervals of grouped images cover, and equal statsmodels' for independent images."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics.intervals import grouped_mean_interval
from analysis.statistics.proportions import grouped_share_interval

REPETITIONS, GROUPS, EACH = 2000, 40, 10
BAND = (0.934, 0.966)
"""Holds the coverage of 99.9 % of all simulations of 2,000 intervals with 95 % coverage."""


def samples(rate: float) -> np.ndarray:
    """Draw 0 or 1, shape (repetitions, groups, each); the rate of a group is a beta draw."""
    rng = np.random.default_rng(11)
    rates = rng.beta(rate * 3, (1 - rate) * 3, (REPETITIONS, GROUPS, 1))
    return (rng.random((REPETITIONS, GROUPS, EACH)) < rates).astype(float)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_it_covers_the_truth_and_the_naive_way_does_not(rate: float) -> None:
    groups = np.repeat(np.arange(GROUPS), EACH)
    drawn = samples(rate).reshape(REPETITIONS, -1)
    ours = [grouped_share_interval(row, groups) for row in drawn]
    covered = np.mean([each.low <= rate <= each.high for each in ours])
    assert BAND[0] <= covered <= BAND[1]
    low, high = proportion_confint(drawn.sum(axis=1), drawn.shape[1], method="wilson")
    assert np.mean((low <= rate) & (rate <= high)) < 0.85


def test_an_event_that_never_happens_has_a_bound_above_0() -> None:
    zeros, groups = np.zeros(200), np.repeat(np.arange(20), 10)
    ours, plain = grouped_share_interval(zeros, groups), grouped_mean_interval(zeros, groups)
    assert (ours.value, ours.low) == (0, 0)
    assert 0.15 < ours.high < 0.2  # as for 20 images, not for 200
    assert (plain.low, plain.high) == (0, 0)
    ones = grouped_share_interval(zeros + 1, groups)
    assert (ones.high, ones.low) == (1, pytest.approx(1 - ours.high))


def test_many_groups_of_one_image_give_the_wilson_interval_of_statsmodels() -> None:
    values = (np.arange(4000) % 10 == 0).astype(float)
    interval = grouped_share_interval(values, np.arange(4000))
    low, high = proportion_confint(400, 4000, method="wilson")
    assert [interval.low, interval.high] == pytest.approx([low, high], rel=2e-3)
    assert interval.n == 4000


def test_one_group_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 groups"):
        grouped_share_interval([0.0, 1.0], [3, 3])
