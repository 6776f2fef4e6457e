"""Pools, best of four and win rates against brute force and scipy."""

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from analysis.pools import assigned, best_of, pool_values, wins
from tests.analysis.planted import Score


def test_best_of_four_is_the_mean_over_all_choices() -> None:
    scores = np.random.default_rng(0).normal(size=(9, 3))
    scores[4] = scores[2]
    every = [scores[list(four)].max(axis=0) for four in itertools.combinations(range(9), 4)]
    np.testing.assert_allclose(best_of(scores, 4), np.mean(every, axis=0), rtol=1e-12)
    again = [scores[list(four)].max(axis=0) for four in itertools.product(range(9), repeat=4)]
    assert not np.allclose(best_of(scores, 4), np.mean(again, axis=0), rtol=1e-3)
    np.testing.assert_allclose(best_of(scores, 1), scores.mean(axis=0))
    np.testing.assert_allclose(best_of(scores, 9), scores.max(axis=0))


def test_win_rates_are_mann_and_whitneys() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(5, size=(6, 4)).astype(float), rng.integers(5, size=(11, 4)).astype(float)
    wanted = [mannwhitneyu(a[:, p], b[:, p]).statistic / 66 for p in range(4)]
    np.testing.assert_allclose(wins(a, b), wanted, rtol=1e-12)
    strict = (a[:, None] > b[None]).mean(axis=(0, 1))
    assert not np.allclose(wins(a, b), strict)


def test_a_pool_is_judged_by_what_its_seeds_draw() -> None:
    values = np.random.default_rng(2).normal(size=(7, 40))
    pools = np.array([[0, 3], [5, 6]])
    turns = np.random.default_rng(3).integers(2, size=40)
    owners = assigned(pools, turns)
    wanted = [np.mean([values[pool[turns[p]], p] for p in range(40)]) for pool in pools]
    found = pool_values(Score(), [values], np.tile(owners, (9, 1)))  # more than are judged at once
    np.testing.assert_allclose(found, np.tile(wanted, 9), rtol=1e-12)
    assert found[0] != pytest.approx(values[pools[0]].mean())
