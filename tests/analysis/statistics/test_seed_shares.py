"""The change of a seed's share: its interval covers, and goes by seeds and prompt groups."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.seed_shares import seed_share_change
from analysis.statistics.variance import seed_share
from tests.analysis.statistics.test_coverage import BAND

SEEDS, PROMPTS = 16, 30
GROUPS = np.repeat(np.arange(10), 3)


def grids(
    rng: np.random.Generator, effect: float, liking: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Before: the seed's share is effect^2 of the whole; after: none. Both share the liking."""
    seed = effect * rng.standard_normal((SEEDS, 1))
    of_objects = liking * rng.standard_normal((SEEDS, 10))[:, GROUPS]
    rest = np.sqrt(1 - effect**2 - liking**2) * rng.standard_normal((2, SEEDS, PROMPTS))
    other = effect * rng.standard_normal((SEEDS, PROMPTS))
    return seed + of_objects + rest[0], other + of_objects + rest[1]


def half_width_of_fixed_seeds(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """What an interval would be that takes these seeds for the only ones: prompts jackknifed."""
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
        found = seed_share_change(before, after, GROUPS)
        inside += found.low <= -0.36 <= found.high
        naive += abs(found.value + 0.36) <= half_width_of_fixed_seeds(before, after)
    assert BAND[0] <= inside / 2000 <= 0.99  # what seeds and groups share is counted twice
    assert naive / 2000 < 0.8


def test_it_is_the_difference_of_both_shares() -> None:
    before, after = grids(np.random.default_rng(1), 0.8, 0.3)
    found = seed_share_change(before, after, GROUPS)
    assert found.value == pytest.approx(seed_share(after, GROUPS) - seed_share(before, GROUPS))
    assert found.n == SEEDS * PROMPTS
    same = seed_share_change(before, before, GROUPS)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert found.high < 0


def test_missing_cells_go_on_both_sides() -> None:
    before, after = grids(np.random.default_rng(2), 0.5, 0.0)
    holes = before.copy()
    holes[::3, 5] = np.nan
    both = after.copy()
    both[::3, 5] = np.nan
    found = seed_share_change(holes, after, GROUPS)
    assert found == seed_share_change(holes, both, GROUPS)
    assert found.n == SEEDS * PROMPTS - 6
    assert found != seed_share_change(before, after, GROUPS)


@pytest.mark.parametrize(
    ("shape", "groups", "said"),
    [
        ((3, 8), None, r"shape \(3, 8\)"),
        ((8, 3), None, r"shape \(8, 3\)"),
        ((8, 8), [0, 0, 0, 1, 1, 1, 2, 2], "3 groups"),
    ],
)
def test_too_little_is_refused(shape: tuple[int, int], groups: list[int] | None, said: str) -> None:
    grid = np.random.default_rng(3).standard_normal(shape)
    with pytest.raises(ValueError, match=said):
        seed_share_change(grid, grid, groups)


def test_what_does_not_vary_or_end_is_refused() -> None:
    grid = np.random.default_rng(4).standard_normal((8, 8))
    with pytest.raises(ValueError, match="none differ"):
        seed_share_change(grid, np.ones((8, 8)))
    with pytest.raises(ValueError, match="finite"):
        seed_share_change(grid, np.where(grid > 1, np.inf, grid))
