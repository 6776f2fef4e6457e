"""Nested ridge regression against explicit loops, and on pure noise."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.prediction import (
    PENALTIES,
    Ridge,
    correlations,
    held_out,
    permuted_columns,
    r_squared,
    r_squared_interval,
)


def solve(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    centre = x.mean(axis=0)
    gram = (x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - centre).T @ (y - y.mean()))
    return weights, float(y.mean() - centre @ weights)


def by_hand(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Choose the penalty by explicit leave-one-out cross-validation."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    errors = []
    for penalty in PENALTIES:
        total = 0.0
        for seed in range(len(z)):
            keep = np.arange(len(z)) != seed
            weights, level = solve(z[keep], y[keep], penalty)
            total += (y[seed] - z[seed] @ weights - level) ** 2
        errors.append(total)
    penalty = PENALTIES[int(np.argmin(errors))]
    return solve(z, y, penalty)[0], float(penalty)


def test_ridge_equals_explicit_loops_for_each_target() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 5)) * [1, 2, 3, 4, 5]
    y = np.stack([x[:, 0] + rng.normal(size=24), rng.normal(size=24)], axis=1)
    fit = Ridge(x, y)
    for target in range(2):
        weights, penalty = by_hand(x, y[:, target])
        assert fit.penalties[target] == pytest.approx(penalty)
        assert fit.coefficients[target] == pytest.approx(weights, abs=1e-8)
    assert fit.penalties[0] != fit.penalties[1]
    assert fit.predict(x[:3]).shape == (3, 2)


def test_nested_folds_find_nothing_in_noise_and_a_plain_fit_does() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 40)), rng.normal(size=(60, 20))
    honest = r_squared(y, held_out(x, y, np.random.default_rng(2)))
    assert honest.mean() < 0.02
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    plain = [
        r_squared(c[:, None], (z @ (w := solve(z, c, 1.0))[0] + w[1])[:, None])[0] for c in y.T
    ]
    assert np.mean(plain) > 0.4


def test_a_planted_share_is_predicted_and_covered() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(800, 10))
    y = np.sqrt(0.6) * x[:, [2]] + np.sqrt(0.4) * rng.normal(size=(800, 1))
    predicted = held_out(x, y, np.random.default_rng(4))
    interval = r_squared_interval(y[:, 0], predicted[:, 0], np.random.default_rng(5))
    assert interval.low < 0.6 < interval.high
    assert interval.high - interval.low < 0.15
    assert np.abs(correlations(x, y)).argmax() == 2
    assert correlations(x, y)[2, 0] == pytest.approx(stats.pearsonr(x[:, 2], y[:, 0]).statistic)


def test_the_same_stream_gives_the_same_predictions_and_targets_move_together() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    first, second = (held_out(x, y, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
    permuted = permuted_columns(y, 3, np.random.default_rng(8))
    assert permuted.shape == (30, 6)
    for draw in range(3):
        order = [np.flatnonzero(y[:, 0] == value).item() for value in permuted[:, 2 * draw]]
        assert np.array_equal(permuted[:, 2 * draw + 1], y[order, 1])
        assert sorted(order) == list(range(30))


def test_a_target_of_few_features_is_predicted_from_their_block() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(90, 200))
    few, many = np.arange(5), np.arange(200)
    y = np.stack([x[:, 3], x[:, 50:150].sum(axis=1) / 10], axis=1) + 0.5 * rng.normal(size=(90, 2))
    fit = Ridge(x, y, [few, many])
    assert fit.chosen.tolist() == [0, 1]
    assert (fit.coefficients[0, 5:] == 0).all()
    folds = [np.random.default_rng(1) for _ in range(2)]
    blocks = r_squared(y, held_out(x, y, folds[0], blocks=[few, many]))
    plain = r_squared(y, held_out(x, y, folds[1]))
    assert blocks[0] > 0.6
    assert plain[0] < 0.4
