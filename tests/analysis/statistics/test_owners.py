"""The null "no seed effect": what a permutation of owners preserves, and that it is fast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.nulls import best_worst_gap
from analysis.statistics.owners import permute_owners, permuted_means, permuted_owners

GROUPS = np.array(["b", "a", "b", "c", "a", "d", "b"])


@settings(max_examples=40, deadline=None)
@given(s=st.integers(1, 8), p=st.integers(1, 6), d=st.integers(1, 4), seed=st.integers(0, 999))
def test_permuting_keeps_every_prompts_images_whole(s: int, p: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, groups = rng.normal(size=(s, p, d)), rng.integers(3, size=p)
    null = permute_owners(values, groups, rng)
    for prompt in range(p):
        images = {tuple(image) for image in values[:, prompt]}
        assert {tuple(image) for image in null[:, prompt]} == images
    assert null.shape == values.shape


def test_the_prompts_of_a_group_move_together_in_all_sets_and_groups_do_not() -> None:
    rng = np.random.default_rng(0)
    first, second = permuted_owners(50, [GROUPS, GROUPS[::-1]], rng)
    for owners, groups in ((first, GROUPS), (second, GROUPS[::-1])):
        for p, q in np.ndindex(7, 7):
            alike = (owners[:, p] == owners[:, q]).all()
            assert alike == (groups[p] == groups[q])
    assert (first == second[:, ::-1]).all()


def test_groups_are_permuted_independently_of_each_other() -> None:
    """Relabelling whole seeds would keep each row together; the permutation must not."""
    rng = np.random.default_rng(0)
    values = np.tile(np.arange(20.0)[:, None], (1, 30))
    null = permute_owners(values, np.repeat(np.arange(15), 2), rng)
    relabelled = values[rng.permutation(20)]
    assert best_worst_gap(relabelled.mean(axis=1)) == best_worst_gap(values.mean(axis=1))
    assert best_worst_gap(null.mean(axis=1)) < 0.7 * best_worst_gap(values.mean(axis=1))


def test_prompts_of_their_own_are_permuted_within_each_prompt() -> None:
    """With one prompt per group, the draws are those of the plain permutation, number by number."""
    values = np.random.default_rng(0).normal(size=(6, 9))
    plain = np.random.default_rng(1).permuted(values, axis=0)
    names = [f"prompt {9 - i}" for i in range(9)]
    for groups in (None, names):
        np.testing.assert_array_equal(
            permute_owners(values, groups, np.random.default_rng(1)), plain
        )


def test_every_owner_is_equally_likely() -> None:
    rng = np.random.default_rng(1)
    (owners,) = permuted_owners(4, [range(8000)], rng)
    counts = np.array([np.bincount(row, minlength=4) for row in owners])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-4


def test_permuting_refuses_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="shape"):
        permute_owners(np.zeros(3), None, np.random.default_rng(0))
    with pytest.raises(ValueError, match="one for each of 3 prompts"):
        permute_owners(np.zeros((2, 3)), ["a", "b"], np.random.default_rng(0))
    with pytest.raises(ValueError, match="one group for each prompt"):
        permuted_owners(2, [[["a", "b"]]], np.random.default_rng(0))
    with pytest.raises(ValueError, match="axes"):
        permuted_means(np.zeros(3), None, np.random.default_rng(0), draws=2)


def skewed() -> np.ndarray:
    """Draw seeds and prompts that differ, so that a wrong null is detected."""
    rng = np.random.default_rng(0)
    return 2 * rng.normal(size=(12, 1)) + rng.exponential(size=(12, 20)) * np.arange(1, 21)


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(5), 4)])
def test_means_and_gaps_scatter_as_those_of_plain_permutations(groups: np.ndarray | None) -> None:
    x, rng = skewed(), np.random.default_rng(1)
    quick = permuted_means(x, groups, rng, draws=2000)
    plain = np.array([permute_owners(x, groups, rng).mean(axis=1) for _ in range(2000)])
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
        null = best_worst_gap(permuted_means(x, None, rng, draws=100))
        p_values.append((1 + (null >= best_worst_gap(x.mean(axis=1))).sum()) / 101)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    effect = rng.normal(size=(10, 15)) + np.arange(10)[:, None]
    null = best_worst_gap(permuted_means(effect, None, rng, draws=100))
    assert (null < best_worst_gap(effect.mean(axis=1))).all()
