"""Intervals over a grid of seeds and prompts cover; intervals of independent cells do not."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.bounds import Interval
from analysis.statistics.crossed import crossed_mean_interval, crossed_share_interval
from tests.analysis.statistics.test_coverage import BAND

Interval2 = Callable[..., Interval]


def test_the_interval_of_a_crossed_mean_covers_and_that_of_cells_does_not() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(15), 2)
    inside = naive = 0
    for _ in range(2000):
        parts = [(20, 1), (1, 15), (1, 30), (20, 30)]
        seed, group, prompt, rest = (rng.standard_normal(shape) for shape in parts)
        values = seed + 0.8 * np.repeat(group, 2, axis=1) + 0.3 * prompt + rest
        interval = crossed_mean_interval(values, groups)
        inside += interval.low <= 0 <= interval.high
        half = 1.96 * values.std() / np.sqrt(values.size)
        naive += abs(values.mean()) <= half
    assert BAND[0] <= inside / 2000 <= 0.985  # the interaction's variance is counted twice
    assert naive / 2000 < 0.7


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.95])
def test_the_interval_of_a_crossed_share_covers_and_that_of_images_does_not(rate: float) -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(24), 2)
    centre = stats.norm.ppf(rate) * np.sqrt(1.5)
    inside = naive = 0
    for _ in range(2000):
        seed, group = rng.standard_normal((24, 1)) / 2, rng.standard_normal((1, 24)) / 2
        latent = centre + seed + np.repeat(group, 2, axis=1) + rng.standard_normal((24, 48))
        hits = (latent > 0).astype(float)
        interval = crossed_share_interval(hits, groups)
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        inside += interval.low <= rate <= interval.high
        of_images = stats.binomtest(int(hits.sum()), hits.size).proportion_ci(method="wilson")
        naive += of_images.low <= rate <= of_images.high
    assert BAND[0] <= inside / 2000 <= 0.99  # counted twice here too
    assert naive / 2000 < 0.7


@pytest.mark.parametrize("share", [crossed_share_interval, crossed_mean_interval])
def test_shares_of_images_that_are_nearly_equal_have_a_narrow_interval(share: Interval2) -> None:
    rng = np.random.default_rng(6)
    groups, inside, width = np.arange(20), 0, 0.0
    for _ in range(500):
        seed, prompt = rng.normal(0, 0.004, (16, 1)), rng.normal(0, 0.004, (1, 20))
        values = 0.05 + seed + prompt + rng.normal(0, 0.008, (16, 20))
        interval = share(values.clip(0, 1), groups)
        inside += interval.low <= 0.05 <= interval.high
        width += (interval.high - interval.low) / 500
    assert inside / 500 >= BAND[0]
    assert width < 0.01  # for binary images it would be 0.05


def test_equal_values_have_no_uncertainty() -> None:
    interval = crossed_share_interval(np.full((8, 10), 0.5), np.arange(10))
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)


def test_the_interval_of_a_rare_event_stays_above_0_and_a_symmetric_one_does_not() -> None:
    hits = np.zeros((12, 12))
    hits[3, 4] = 1
    groups = np.arange(12)
    assert crossed_mean_interval(hits, groups).low < 0
    assert crossed_share_interval(hits, groups).low > 0


def test_with_one_group_and_equal_cells_the_effective_n_is_the_number_of_seeds() -> None:
    interval = crossed_share_interval(np.zeros((40, 3)), [0, 0, 0])
    wilson = stats.binomtest(0, 40).proportion_ci(method="wilson")
    t2, z2 = stats.t.ppf(0.975, 39) ** 2, stats.norm.ppf(0.975) ** 2
    assert interval.high == pytest.approx(t2 / (40 + t2))
    assert wilson.high == pytest.approx(z2 / (40 + z2))


def test_values_outside_0_to_1_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values range from 0\.0 to 2\.0; they must be in"):
        crossed_share_interval([[0.0, 1.0], [2.0, 0.0]], [0, 1])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        crossed_share_interval([[0.0, 1.0]], [0, 1])
