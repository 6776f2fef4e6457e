"""Intervals over a full grid of seeds and prompts cover what they say; those of cells do not."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.crossed import crossed_mean_interval, crossed_share_interval


def test_the_interval_of_a_crossed_mean_covers_and_that_of_cells_does_not() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(15), 2)
    inside = naive = 0
    for _ in range(1000):
        parts = [(20, 1), (1, 15), (1, 30), (20, 30)]
        seed, group, prompt, rest = (rng.standard_normal(shape) for shape in parts)
        values = seed + 0.8 * np.repeat(group, 2, axis=1) + 0.3 * prompt + rest
        found = crossed_mean_interval(values, groups)
        inside += found.low <= 0 <= found.high
        half = 1.96 * values.std() / np.sqrt(values.size)
        naive += abs(values.mean()) <= half
    assert 0.93 <= inside / 1000 <= 0.985
    assert naive / 1000 < 0.6


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.95])
def test_the_interval_of_a_crossed_share_covers_and_that_of_images_does_not(rate: float) -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(24), 2)
    place = stats.norm.ppf(rate) * np.sqrt(1.5)
    inside = naive = 0
    for _ in range(500):
        seed, group = rng.standard_normal((24, 1)) / 2, rng.standard_normal((1, 24)) / 2
        latent = place + seed + np.repeat(group, 2, axis=1) + rng.standard_normal((24, 48))
        hits = (latent > 0).astype(float)
        found = crossed_share_interval(hits, groups)
        assert 0 <= found.low <= found.value <= found.high <= 1
        inside += found.low <= rate <= found.high
        of_images = stats.binomtest(int(hits.sum()), hits.size).proportion_ci(method="wilson")
        naive += of_images.low <= rate <= of_images.high
    assert 0.93 <= inside / 500 <= 0.99
    assert naive / 500 < 0.6


def test_a_share_of_a_rare_event_stays_inside_where_the_symmetric_one_does_not() -> None:
    hits = np.zeros((12, 12))
    hits[3, 4] = 1
    groups = np.arange(12)
    assert crossed_mean_interval(hits, groups).low < 0
    assert crossed_share_interval(hits, groups).low > 0


def test_with_one_group_and_cells_that_are_alike_the_share_is_as_well_known_as_its_seeds() -> None:
    found = crossed_share_interval(np.zeros((40, 3)), [0, 0, 0])
    wilson = stats.binomtest(0, 40).proportion_ci(method="wilson")
    t2, z2 = stats.t.ppf(0.975, 39) ** 2, stats.norm.ppf(0.975) ** 2
    assert found.high == pytest.approx(t2 / (40 + t2))
    assert wilson.high == pytest.approx(z2 / (40 + z2))


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"values reach 0.0 to 2.0; 0 to 1"):
        crossed_share_interval([[0.0, 1.0], [2.0, 0.0]], [0, 1])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        crossed_share_interval([[0.0, 1.0]], [0, 1])
