"""Fast permuted means have the distribution of plain permutations."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.nulls import best_worst_gap, permute_within_prompt, permuted_means


def skewed() -> np.ndarray:
    """Draw seeds and prompts that differ, so that a wrong null is detected."""
    rng = np.random.default_rng(0)
    return 2 * rng.normal(size=(12, 1)) + rng.exponential(size=(12, 20)) * np.arange(1, 21)


def test_means_and_gaps_scatter_as_those_of_plain_permutations() -> None:
    x, rng = skewed(), np.random.default_rng(1)
    quick = permuted_means(x, rng, draws=2000)
    plain = np.array([np.asarray(permute_within_prompt(x, rng)).mean(axis=1) for _ in range(2000)])
    np.testing.assert_allclose(quick.mean(axis=1), x.mean(), rtol=1e-9)
    for statistic in (best_worst_gap, lambda v: v[:, 3], lambda v: v[:, 3] - v[:, 4]):
        assert stats.ks_2samp(statistic(quick), statistic(plain)).pvalue > 0.01
    relabelled = np.array([rng.permutation(x.mean(axis=1)) for _ in range(2000)])
    assert stats.ks_2samp(best_worst_gap(relabelled), best_worst_gap(plain)).pvalue < 1e-9


def test_p_values_without_an_effect_are_uniform() -> None:
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(200):
        x = rng.normal(size=(10, 15))
        null = best_worst_gap(permuted_means(x, rng, draws=100))
        p_values.append((1 + (null >= best_worst_gap(x.mean(axis=1))).sum()) / 101)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    effect = rng.normal(size=(10, 15)) + np.arange(10)[:, None]
    null = best_worst_gap(permuted_means(effect, rng, draws=100))
    assert (null < best_worst_gap(effect.mean(axis=1))).all()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="axes"):
        permuted_means(np.zeros(3), np.random.default_rng(0), draws=2)
