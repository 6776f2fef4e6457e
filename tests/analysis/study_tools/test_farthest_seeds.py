"""Farthest points and similarities against brute force, scipy and scikit-learn."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity

from analysis.study_tools.farthest_seeds import cosine_matrix, farthest_points, mean_pairs


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_each_point_is_the_farthest_from_those_before(metric: str) -> None:
    x = np.random.default_rng(0).normal(1, 1, size=(60, 5))
    distances = cdist(x, x, metric)
    chosen = [7]
    while len(chosen) < 6:
        chosen.append(int(np.argmax(distances[:, chosen].min(axis=1))))
    ours = farthest_points(x, 6, first=7, metric=metric)  # type: ignore[arg-type]
    assert ours.tolist() == chosen
    summed = [7]
    while len(summed) < 6:  # the sum of distances instead of the smallest: another choice
        total = distances[:, summed].sum(axis=1)
        total[summed] = -1
        summed.append(int(np.argmax(total)))
    assert summed != chosen


def test_the_smallest_distance_is_at_least_half_of_the_best_possible() -> None:
    random_fails = 0
    for trial in range(20):
        x = np.random.default_rng(trial).normal(size=(11, 2))
        distances = cdist(x, x)

        def least(points: object, distances: np.ndarray = distances) -> float:
            return float(min(distances[i, j] for i, j in itertools.combinations(points, 2)))  # type: ignore[arg-type, call-overload]

        best = max(map(least, itertools.combinations(range(11), 4)))
        assert least(farthest_points(x, 4, first=trial % 11)) >= best / 2
        random_fails += least(range(4)) < best / 2
    assert random_fails > 5


def test_equal_points_are_never_chosen_twice() -> None:
    assert sorted(farthest_points(np.ones((4, 2)), 4, first=2)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="k must be 1"):
        farthest_points(np.ones((4, 2)), 5, first=0)
    with pytest.raises(ValueError, match="no angle"):
        farthest_points(np.zeros((4, 2)), 2, first=0, metric="cosine")


def test_similarities_are_scikit_learns_and_gaps_are_left_out() -> None:
    x = np.random.default_rng(0).normal(1, 1, size=(8, 4))
    np.testing.assert_allclose(cosine_matrix(x), cosine_similarity(x), atol=1e-12)
    x[3] = np.nan
    similar = cosine_matrix(x)
    groups = np.array([[0, 1, 3], [0, 1, 2], [3, 3, 3]])
    means = mean_pairs(similar, groups)
    assert means[0] == similar[0, 1]
    assert means[1] == pytest.approx((similar[0, 1] + similar[0, 2] + similar[1, 2]) / 3)
    assert np.isnan(means[2])
    assert means[1] != pytest.approx(similar[np.ix_([0, 1, 2], [0, 1, 2])].mean())  # with itself
