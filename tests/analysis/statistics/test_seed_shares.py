"""The change of a seed's share: its interval covers, and generalises over seeds and groups."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.bounds import Interval, t_interval, two_sided_p
from analysis.statistics.seed_shares import seed_share_change, share_change_p
from analysis.statistics.variance import seed_share
from tests.analysis.statistics.test_coverage import BAND

SEEDS, PROMPTS = 16, 30
GROUPS = np.repeat(np.arange(10), 3)


def grids(
    rng: np.random.Generator, effect: float, interaction: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw grids in which the seed's share is effect^2 before and 0 after a change.

    Both grids have the same seed x group interaction.
    """
    seed = effect * rng.standard_normal((SEEDS, 1))
    of_objects = interaction * rng.standard_normal((SEEDS, 10))[:, GROUPS]
    rest = np.sqrt(1 - effect**2 - interaction**2) * rng.standard_normal((2, SEEDS, PROMPTS))
    other = effect * rng.standard_normal((SEEDS, PROMPTS))
    return seed + of_objects + rest[0], other + of_objects + rest[1]


def half_width_of_fixed_seeds(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Half width of an interval that takes the seeds as fixed: a jackknife over prompts only."""
    kept = [np.flatnonzero(j != GROUPS) for j in range(10)]
    without = [
        seed_share(after[:, k], GROUPS[k]) - seed_share(before[:, k], GROUPS[k]) for k in kept
    ]
    return float(stats.t.ppf(0.975, 9) * np.std(without) * np.sqrt(9))


def test_the_interval_covers_and_one_of_fixed_seeds_does_not() -> None:
    rng = np.random.default_rng(0)
    inside = naive = 0
    for _ in range(2000):
        before, after = grids(rng, 0.6, 0.3)
        change = seed_share_change(before, after, GROUPS)
        inside += change.low <= -0.36 <= change.high
        naive += abs(change.value + 0.36) <= half_width_of_fixed_seeds(before, after)
    assert BAND[0] <= inside / 2000 <= 0.99  # the interaction's variance is counted twice
    assert naive / 2000 < 0.8


def test_it_is_the_difference_of_both_shares() -> None:
    before, after = grids(np.random.default_rng(1), 0.8, 0.3)
    change = seed_share_change(before, after, GROUPS)
    assert change.value == pytest.approx(seed_share(after, GROUPS) - seed_share(before, GROUPS))
    assert change.n == SEEDS * PROMPTS
    same = seed_share_change(before, before, GROUPS)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert change.high < 0


def test_cells_missing_on_one_side_are_left_out_on_both() -> None:
    before, after = grids(np.random.default_rng(2), 0.5, 0.0)
    holes = before.copy()
    holes[::3, 5] = np.nan
    both = after.copy()
    both[::3, 5] = np.nan
    change = seed_share_change(holes, after, GROUPS)
    assert change == seed_share_change(holes, both, GROUPS)
    assert change.n == SEEDS * PROMPTS - 6
    assert change != seed_share_change(before, after, GROUPS)


@pytest.mark.parametrize(
    ("shape", "groups", "message"),
    [
        ((3, 8), None, r"shape \(3, 8\)"),
        ((8, 3), None, r"shape \(8, 3\)"),
        ((8, 8), [0, 0, 0, 1, 1, 1, 2, 2], "3 groups"),
    ],
)
def test_too_little_is_refused(
    shape: tuple[int, int], groups: list[int] | None, message: str
) -> None:
    grid = np.random.default_rng(3).standard_normal(shape)
    with pytest.raises(ValueError, match=message):
        seed_share_change(grid, grid, groups)


def test_grids_that_do_not_vary_or_are_not_finite_are_refused() -> None:
    grid = np.random.default_rng(4).standard_normal((8, 8))
    with pytest.raises(ValueError, match="none differ"):
        seed_share_change(grid, np.ones((8, 8)))
    with pytest.raises(ValueError, match="finite"):
        seed_share_change(grid, np.where(grid > 1, np.inf, grid))


@pytest.mark.parametrize("value", [-0.7, 0.1, 2.3])
def test_the_interval_at_the_level_of_its_p_value_ends_at_zero(value: float) -> None:
    p = two_sided_p(t_interval(value, 0.5, freedom=7, n=9, method="t"), freedom=7)
    touching = t_interval(value, 0.5, freedom=7, n=9, method="t", level=1 - p)
    assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-9)


def test_a_change_without_an_interval_has_no_p_value() -> None:
    assert np.isnan(share_change_p(Interval(0.1, np.nan, np.nan, 144, "rare"), 12, 12))
