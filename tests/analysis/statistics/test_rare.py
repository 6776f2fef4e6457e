"""Variance shares of a binary value have an interval only if there are enough events."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.rare import LEAST_EVENTS, too_few_events
from analysis.statistics.variance import seed_share, seed_share_null, variance_shares

SEEDS, GROUPS, EACH = 32, 20, 4
OWNERS = np.repeat(np.arange(GROUPS), EACH)
SPREAD = 1.0  # variance of the rates of seeds about a mean of 1; of groups it is half of that


def events(rng: np.random.Generator, mean: float) -> tuple[Floats, float]:
    """Draw cells with `mean` events on average, and compute the true share of the seed.

    Rates multiply, so two cells of one seed covary by rate^2 x SPREAD; a cell varies by
    rate x (1 - rate).
    """
    rate = mean / (SEEDS * GROUPS * EACH)
    seeds = rng.gamma(1 / SPREAD, SPREAD, (SEEDS, 1))
    groups = rng.gamma(2 / SPREAD, SPREAD / 2, GROUPS)[OWNERS]
    shown = rng.random((SEEDS, GROUPS * EACH)) < rate * seeds * groups
    return shown.astype(np.float64), rate * SPREAD / (1 - rate)


def test_two_events_have_an_estimate_and_no_interval() -> None:
    y = np.zeros((SEEDS, GROUPS * EACH))
    y[3, 5] = y[3, 40] = 1
    for values in (y, 1 - y):  # the rarer value counts
        shares = variance_shares(values, OWNERS)
        assert np.isnan([shares.seed.low, shares.seed.high, shares.rest.low]).all()
        assert shares.seed.method == (
            "no interval: 2 of 2,560 cells differ from the others, at least 20 are needed"
        )
        assert shares.seed.value == pytest.approx(seed_share(values, OWNERS))
    assert np.isfinite(seed_share_null(y, OWNERS, np.random.default_rng(0), draws=20)).all()
    # The negative control: values that are not binary get the jackknife, which is useless here.
    wide = variance_shares(2 * y, OWNERS).seed
    assert wide.low < -1 or wide.high > 1


def test_with_enough_events_the_interval_covers() -> None:
    rng = np.random.default_rng(2)
    inside: list[bool] = []
    naive: list[bool] = []
    for _ in range(300):
        mean = float(rng.choice([3, 6, 9, 25, 35, 45]))
        y, truth = events(rng, mean)
        if y.sum() < 2:
            continue
        jackknife = variance_shares(2 * y, OWNERS).seed  # the same shares, but not binary
        covered = jackknife.low <= truth <= jackknife.high
        if too_few_events(y):
            naive.append(covered)
            continue
        share = variance_shares(y, OWNERS).seed
        assert (share.low, share.high) == pytest.approx((jackknife.low, jackknife.high))
        assert share.high - share.low < 0.5
        inside.append(covered)
    assert stats.binom(len(inside), 0.95).ppf(0.0005) <= sum(inside)
    assert sum(naive) < stats.binom(len(naive), 0.95).ppf(0.0005)  # refused intervals would not


@pytest.mark.parametrize("shown", [LEAST_EVENTS - 1, LEAST_EVENTS])
def test_the_rarer_value_decides_and_missing_cells_do_not_count(shown: int) -> None:
    y = np.zeros(100)
    y[:shown] = 1
    for values in (y, 1 - y, np.append(y, np.nan)):
        assert bool(too_few_events(values)) == (shown < LEAST_EVENTS)
    assert too_few_events(y / 2) == ""  # not 0 or 1


def test_a_single_group_is_refused() -> None:
    y = np.eye(4)
    with pytest.raises(ValueError, match="1 groups; at least 3"):
        variance_shares(y, np.zeros(4))
