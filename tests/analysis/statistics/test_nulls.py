"""P-values of single seeds, and the hypergeometric distribution of unrelated lists."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.nulls import (
    overlap_null,
    pooled_p_values,
)
from analysis.statistics.owners import permute_owners
from analysis.statistics.reliability import top_with_ties


def test_pooled_p_values_count_by_hand() -> None:
    null = np.array([[1.0, 2.0], [2.0, 5.0]])
    np.testing.assert_allclose(pooled_p_values([2.0, 9.0], null), [4 / 5, 1 / 5])
    np.testing.assert_allclose(pooled_p_values([2.0, 0.0], null, direction="lower"), [0.8, 0.2])


def test_pooled_p_values_are_uniform_under_the_null_and_small_under_an_effect() -> None:
    rng = np.random.default_rng(3)
    below, effect = [], np.linspace(-1, 1, 10)[:, None]
    for _ in range(300):
        y = rng.normal(size=(10, 8))
        null = np.array([permute_owners(y, None, rng).mean(axis=1) for _ in range(30)])
        below.append((pooled_p_values(y.mean(axis=1), null) <= 0.1).mean())
    # The seeds of one table are not independent, so the error is taken between tables.
    assert np.mean(below) == pytest.approx(0.1, abs=3.3 * np.std(below) / np.sqrt(300))
    y = rng.normal(size=(10, 8)) + 2 * effect
    null = np.array([permute_owners(y, None, rng).mean(axis=1) for _ in range(30)])
    assert pooled_p_values(y.mean(axis=1), null)[-1] < 0.02


def test_pooled_p_values_refuse_other_shapes_and_nan() -> None:
    with pytest.raises(ValueError, match=r"\(B, S\)"):
        pooled_p_values([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not finite"):
        pooled_p_values([1.0, np.nan], [[1.0, 2.0]])


def test_overlap_is_hypergeometric() -> None:
    null = overlap_null(1024, 256, 256)
    law = stats.hypergeom(1024, 256, 256)
    assert (null.mean, null.sd) == pytest.approx((law.mean(), law.std()))
    exact = sum(float(law.pmf(k)) for k in range(65, 257))
    assert null.probability_at_least(65) == pytest.approx(exact, rel=1e-9)
    assert null.probability_at_least(66) != pytest.approx(exact, rel=1e-9)


def test_overlap_is_what_unrelated_rankings_share() -> None:
    rng = np.random.default_rng(0)
    draws = rng.permuted(np.tile(np.arange(48), (20_000, 1)), axis=1)[:, :12]
    shared = (draws < 12).sum(axis=1)
    null = overlap_null(48, 12, 12)
    assert shared.mean() == pytest.approx(null.mean, abs=0.05)
    assert shared.std() == pytest.approx(null.sd, abs=0.03)
    assert (shared >= 5).mean() == pytest.approx(null.probability_at_least(5), abs=0.01)
    # A binomial, which draws seeds with replacement, is too wide.
    assert shared.std() != pytest.approx(stats.binom(12, 0.25).std(), abs=0.03)


@pytest.mark.parametrize(("population", "first", "second"), [(32, 32, 8), (1, 1, 1), (5, 0, 3)])
def test_a_list_of_all_or_none_leaves_nothing_to_chance(
    population: int, first: int, second: int
) -> None:
    null = overlap_null(population, first, second)
    assert (null.mean, null.sd) == (first * second / population, 0.0)


def test_overlap_refuses_lists_longer_than_the_population() -> None:
    with pytest.raises(ValueError, match="do not fit 4 seeds"):
        overlap_null(4, 5, 1)


def test_two_top_lists_of_one_ranking_share_everything() -> None:
    x = np.random.default_rng(0).normal(size=64)
    top = set(top_with_ties(x, 16, direction="higher").tolist())
    assert overlap_null(64, 16, 16).probability_at_least(len(top)) < 1e-12
