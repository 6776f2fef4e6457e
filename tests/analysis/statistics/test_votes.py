"""Two-way intervals, agreement and power against statsmodels, published examples and counting."""

from math import comb

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.statistics.agreement import krippendorff_alpha
from analysis.statistics.sign_test import pairs_needed, sign_test_power
from analysis.statistics.two_way import two_way_error, two_way_share_interval


def votes(
    raters: int, prompts: int, rng: np.random.Generator, spread: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each rater and each prompt has a taste of its own."""
    rows, columns = (part.ravel() for part in np.mgrid[:raters, :prompts])
    taste = rng.normal(0, spread, raters)[rows] + rng.normal(0, spread, prompts)[columns]
    return (rng.random(rows.size) < np.clip(0.5 + taste, 0, 1)).astype(float), rows, columns


@pytest.mark.parametrize("seed", range(4))
def test_the_error_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, 7, 300), rng.integers(0, 25, 300)
    values = (rng.random(300) < 0.4 + 0.2 * (rows % 2) - 0.1 * (columns % 3 == 0)).astype(float)
    ways = [np.stack([rows, columns], axis=1), rows, columns]
    model = sm.OLS(values, np.ones(300))
    fits = [model.fit(cov_type="cluster", cov_kwds={"groups": way}) for way in ways]
    error, freedom, words = two_way_error(values, rows, columns)
    assert error == pytest.approx(max(float(fit.bse[0]) for fit in fits), rel=1e-9)
    assert (freedom, words) == (6, "7 rows and 25 columns")


def test_the_interval_covers_where_that_of_independent_votes_does_not() -> None:
    rng = np.random.default_rng(5)
    covered = independent = 0
    draws = 300
    for _ in range(draws):
        values, rows, columns = votes(12, 24, rng, 0.12)
        interval = two_way_share_interval(values, rows, columns)
        covered += interval.low <= 0.5 <= interval.high
        half = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / values.size)
        independent += abs(values.mean() - 0.5) <= half
    assert covered / draws >= 0.92
    assert independent / draws < 0.85


def test_one_rater_is_taken_as_fixed_and_nobody_is_refused() -> None:
    one = two_way_share_interval([1, 1, 0, 1], ["a"] * 4, [0, 1, 2, 3])
    assert 0 <= one.low < 0.75 < one.high <= 1
    assert "1 rows and 4 columns" in one.method
    with pytest.raises(ValueError, match="one row and one column"):
        two_way_share_interval([1, 0], ["a", "a"], [0, 0])
    unanimous = two_way_share_interval([1.0] * 6, [0, 0, 0, 1, 1, 1], [0, 1, 2] * 2)
    assert unanimous.value == unanimous.high == 1
    assert unanimous.low < 1


NONE = -1
PUBLISHED = [
    ([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], 0.095),
    (
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
            [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
        ],
        0.743,
    ),
]


@pytest.mark.parametrize(("ratings", "alpha"), PUBLISHED)
def test_alpha_is_that_of_krippendorffs_examples(ratings: list[list[int]], alpha: float) -> None:
    assert krippendorff_alpha(ratings) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_chance_is_near_zero_and_without_overlap_there_is_none() -> None:
    random = np.random.default_rng(0).integers(0, 3, (4, 2000))
    assert krippendorff_alpha(random) == pytest.approx(0, abs=0.03)
    assert krippendorff_alpha([[0, NONE], [NONE, 1]]) is None
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None


@pytest.mark.parametrize(("n", "share"), [(1, 0.9), (6, 0.99), (100, 0.6), (57, 0.7)])
def test_power_is_the_sum_over_all_outcomes(n: int, share: float) -> None:
    def tail(k: int, p: float) -> float:
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))

    wanted = sum(
        comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(n + 1)
        if tail(k, 0.5) <= 0.025
    )
    assert sign_test_power(n, share) == pytest.approx(wanted, abs=1e-12)


def test_pairs_needed_is_the_first_number_with_the_power() -> None:
    n = pairs_needed(0.7)
    assert sign_test_power(n, 0.7) >= 0.8
    assert all(sign_test_power(fewer, 0.7) < 0.8 for fewer in range(1, n))
