"""Correlations corrected for reliability equal planted correlations, and their intervals cover."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.attenuation import carried, cross_correlation
from analysis.statistics.reliability import fisher_bounds, rank_correlation

SEEDS, LATENT, RUNS = 150, 0.7, 400
RELIABLE = (0.7, 0.5)
BAND = tuple(float(k) / RUNS for k in stats.binom(RUNS, 0.95).ppf([0.0005, 0.9995]))


def drawn(rng: np.random.Generator, seeds: int = SEEDS, latent: float = LATENT) -> list[Floats]:
    """Draw values (2, S) of two ways of drawing whose true values correlate at `latent`."""
    true = rng.multivariate_normal([0, 0], [[1, latent], [latent, 1]], size=seeds).T
    noise = [np.sqrt(1 / r - 1) for r in RELIABLE]
    pairs = zip(true, noise, strict=True)
    return [t + sd * rng.standard_normal((2, seeds)) for t, sd in pairs]


def test_intervals_cover_and_the_uncorrected_one_does_not() -> None:
    rng = np.random.default_rng(4)
    truth = float(6 / np.pi * np.arcsin(LATENT / 2))
    covered = naive = 0
    values = []
    for _ in range(RUNS):
        first, second = drawn(rng)
        result = carried(first, second, rng, draws=200)
        covered += result.corrected.low <= truth <= result.corrected.high
        values.append(result.corrected.value)
        low, high = fisher_bounds(result.cross.value, SEEDS)
        naive += low <= truth <= high
    assert BAND[0] <= covered / RUNS <= BAND[1] + 0.015  # two sets per way: a little too wide
    assert np.median(values) == pytest.approx(truth, abs=0.03)
    assert naive / RUNS < 0.2


def test_against_scipy() -> None:
    first, second = drawn(np.random.default_rng(0), seeds=60)
    first[0, :9] = first[0, 9]  # ties
    result = carried(first, second, np.random.default_rng(1), draws=50)
    ways = (first[0], second[1]), (first[1], second[0])
    expected = np.mean([stats.spearmanr(*way).statistic for way in ways])
    assert result.cross.value == pytest.approx(expected, abs=1e-12)
    assert cross_correlation(first, second) == result.cross.value
    within = [stats.spearmanr(*side).statistic for side in (first, second)]
    assert result.reliabilities == pytest.approx(within, abs=1e-12)
    assert result.corrected.value == pytest.approx(expected / np.sqrt(np.prod(within)), abs=1e-12)
    assert rank_correlation(first[0], first[1]).value == pytest.approx(result.reliabilities[0])


def test_noise_is_not_corrected_and_estimates_are_not_clipped() -> None:
    rng = np.random.default_rng(2)
    noise = [rng.standard_normal((2, 40)) for _ in range(2)]
    result = carried(*noise, rng, draws=100)
    assert np.isnan(result.corrected.low)
    assert "have no reliability" in result.corrected.method
    high = [carried(*drawn(rng, 40, 0.999), rng, draws=50).corrected.value for _ in range(30)]
    assert max(high) > 1 > np.median(high) - 0.1
    with pytest.raises(ValueError, match="S >= 8"):
        carried(np.zeros((2, 5)), np.zeros((2, 5)), rng)
