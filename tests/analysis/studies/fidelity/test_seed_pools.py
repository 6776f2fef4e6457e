"""Pools, best of four and win rates against brute force and scipy."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist
from scipy.stats import mannwhitneyu

from analysis.ranking.joint_rule import Judged, in_company
from analysis.statistics.bounds import Interval
from analysis.statistics.intervals import grouped_mean_interval
from analysis.statistics.wins import wins
from analysis.studies.fidelity.assignments import Assignments
from analysis.studies.fidelity.seed_pools import best_of, pool_rows, preference_gains
from tests.analysis.planted import Distance, Score, sample


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


def test_all_images_of_a_large_pool_are_compared() -> None:
    """Seeds are sorted by quality, so comparing only the first 64 would be biased."""
    rng = np.random.default_rng(4)
    images = rng.normal(size=(90, 3, 5)) + 4 * (np.arange(90) < 64)[:, None, None]
    values = sample(rng.normal(size=(90, 3)), np.arange(3))
    pools = [np.arange(90), np.arange(64)]
    distance, preference = in_company([Distance(), Score()], [values] * 2)
    whole, best = pool_rows(Assignments(distance, 0), preference, pools, images, rng)
    unit = images / np.linalg.norm(images, axis=-1, keepdims=True)
    pairs = [1 - pdist(unit[:, p], "cosine").mean() for p in range(3)]
    assert whole["similarity"] == pytest.approx(np.mean(pairs), rel=1e-9)
    assert whole["similarity_random"] == pytest.approx(whole["similarity"], abs=0.05)
    assert best["similarity"] > whole["similarity"] + 0.1
    assert best["similarity_random"] == pytest.approx(whole["similarity"], abs=0.05)


GOLDEN = (0, 1, 2)
REPEATS = 600


def drawn(rng: np.random.Generator, groups: int, each: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Plant 12 seeds, three of them better, with seed x group effects and noise."""
    effect = 0.5 * np.isin(np.arange(12), GOLDEN)[:, None]
    codes = np.repeat(np.arange(groups), each)
    shared = np.repeat(0.7 * rng.normal(size=(12, groups)), each, axis=1)
    return effect + shared + rng.normal(size=(12, len(codes))), codes


def judged(values: np.ndarray, codes: np.ndarray) -> Judged:
    (one,) = in_company([Score()], [sample(values, codes)])
    return one


def figures(values: np.ndarray, codes: np.ndarray) -> dict[str, Interval]:
    found = preference_gains(judged(values, codes), GOLDEN)
    return {name: found[name] for name in ("gain", "win_rate", "share_of_best_of_four")}


def test_intervals_of_gain_win_rate_and_share_cover() -> None:
    rng = np.random.default_rng(9)
    truth = {name: one.value for name, one in figures(*drawn(rng, 4000)).items()}
    truth["gain"] = 0.5 - 0.5 * len(GOLDEN) / 12
    inside, naive = dict.fromkeys(truth, 0), 0
    for _ in range(REPEATS):
        values, codes = drawn(rng, 20)
        for name, found in figures(values, codes).items():
            inside[name] += found.low <= truth[name] <= found.high
        gain = values[list(GOLDEN)].mean(axis=0) - values.mean(axis=0)
        alone = grouped_mean_interval(gain, np.arange(len(gain)))
        naive += alone.low <= truth["gain"] <= alone.high
    least, most = stats.binom(REPEATS, 0.95).ppf([0.0005, 0.9995])
    for name, count in inside.items():
        assert least <= count <= most, name
    assert naive < least  # treats prompts as independent
