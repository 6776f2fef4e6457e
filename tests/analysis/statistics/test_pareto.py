"""Polylines and dominated points, against a dense search and a double loop."""

from itertools import pairwise

import numpy as np
import pytest

from analysis.statistics.pareto import best_beyond, undominated


def dense(curve: np.ndarray, level: float) -> float:
    """The best of 20,001 points on each line; the farthest point if no point reaches the level."""
    share = np.linspace(0, 1, 20_001)[:, None]
    points = np.concatenate([a + share * (b - a) for a, b in pairwise(curve)])
    beyond = points[points[:, 0] >= level]
    return float(beyond[:, 1].max() if len(beyond) else points[points[:, 0].argmax(), 1])


def test_best_beyond_is_that_of_a_dense_search() -> None:
    rng = np.random.default_rng(0)
    between = []
    for _ in range(50):
        curve, level = rng.normal(size=(6, 2)), rng.normal()
        assert best_beyond(curve, level) == pytest.approx(dense(curve, level), abs=1e-3)
        corners = curve[curve[:, 0] >= level, 1]
        between.append(bool(len(corners)) and corners.max() < dense(curve, level) - 0.01)
    assert any(between)  # the corners alone are not enough


def test_undominated_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, size=(40, 2))
    wanted = [not any((b >= a).all() and (b > a).any() for b in x) for a in x]
    assert undominated(x).tolist() == wanted
    assert 0 < sum(wanted) < 40
