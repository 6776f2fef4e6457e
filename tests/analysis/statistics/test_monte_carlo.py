"""P-values of draws: counted by hand, ties despite rounding, error and floor."""

import numpy as np
import pytest

from analysis.statistics.monte_carlo import p_error, p_value, p_words


def test_p_counts_the_draws_that_reach_the_value() -> None:
    assert p_value([1.0, 2.0, 3.0, 4.0], 3.0) == 3 / 5
    assert p_value([1.0, 2.0], 5.0) == 1 / 3
    assert p_value([1.0, 2.0], -5.0) == 1


def test_draws_that_differ_by_rounding_are_equal() -> None:
    values = np.array([0.1, 0.7, 0.2, 0.3, 0.6])
    observed = float(values.sum())
    rng = np.random.default_rng(0)
    draws = [float(np.sum(rng.permutation(values))) for _ in range(200)]
    assert 0 < sum(draw < observed for draw in draws) < 200
    assert p_value(draws, observed) == 1
    assert p_value([0.9999 * observed] * 4, observed) == 1 / 5


def test_a_statistic_near_0_has_the_scale_of_its_numbers() -> None:
    noise = 1e-17 * np.random.default_rng(0).normal(size=99)
    assert p_value(noise, 1e-17) < 1
    assert p_value(noise, 1e-17, scale=1.0) == 1


def test_the_error_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(0)
    repeats = [p_value(rng.normal(size=500), 1.0) for _ in range(400)]
    assert np.std(repeats) == pytest.approx(p_error(0.159, 500), rel=0.15)


@pytest.mark.parametrize(
    ("p", "draws", "words"),
    [
        (0.123, 200, "p = 0.12 +- 0.02"),
        (1 / 201, 200, "p = 0.005, the floor of 200 draws"),
        (2 / 2001, 2000, "p = 0.001 +- 0.0007"),
        (1.0, 2000, "p = 1"),
    ],
)
def test_words(p: float, draws: int, words: str) -> None:
    assert p_words(p, draws) == words
    assert p_words(p, draws, brief=True) == words.removesuffix(f" of {draws:,} draws")
