"""Distances at infinitely many images, against the distance of the Gaussians they come from."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import Reference, frechet_distance
from analysis.statistics.extrapolation import DEALS, at_infinity, intercept, subsets
from analysis.statistics.parallel import frechet_distances

D = 6
SPREADS, SHIFT = np.linspace(0.5, 1.5, D), 0.3
REFERENCE = Reference.from_moments(np.zeros(D), np.eye(D), 10**9)
TRUE = D * SHIFT**2 + float(((SPREADS - 1) ** 2).sum())
"""Frechet distance of N(shift, diag(spreads^2)) from N(0, 1): both covariances are diagonal."""


def seeds(count: int, groups: int, each: int, *, seed: int = 0) -> tuple[Floats, NDArray[np.intp]]:
    """Embeddings of `groups` x `each` images; groups have 0.6 of the variance."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(count, groups, 1, D))
    single = rng.normal(size=(count, groups, each, D))
    x = (np.sqrt(0.6) * shared + np.sqrt(0.4) * single) * SPREADS + SHIFT
    return x.reshape(count, -1, D), np.repeat(np.arange(groups), each)


def extrapolated(x: Floats, groups: NDArray[np.intp]) -> Floats:
    return at_infinity(
        lambda chosen: frechet_distances(x[:, chosen], REFERENCE),
        groups,
        np.random.default_rng(1),
        width=D,
    ).values


@pytest.mark.parametrize(("groups", "each"), [(30, 1), (30, 3), (16, 6)])
def test_the_extrapolated_distance_is_nearer_to_that_of_the_gaussians(
    groups: int, each: int
) -> None:
    x, labels = seeds(120, groups, each)
    plain = frechet_distances(x, REFERENCE)
    values = extrapolated(x, labels)
    error = values.std(ddof=1) / np.sqrt(len(values))
    bias = plain.mean() - TRUE
    assert bias > 6 * error  # the negative control: the plain distance is too large
    assert abs(values.mean() - TRUE) < 3 * error + 0.1 * bias
    assert ((values - TRUE) ** 2).mean() < ((plain - TRUE) ** 2).mean()
    assert values.std() < 1.1 * plain.std()  # hardly more noise than the distance itself


def test_splitting_groups_leaves_bias() -> None:
    x, labels = seeds(120, 30, 6)
    right, wrong = extrapolated(x, labels), extrapolated(x, np.arange(len(labels)))
    bias = frechet_distances(x, REFERENCE).mean() - TRUE
    assert abs(right.mean() - TRUE) < 0.2 * bias
    assert wrong.mean() - TRUE > 0.5 * bias


def test_points_are_unions_of_quarters_with_equal_weight_for_each_group() -> None:
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 7])
    points = subsets(groups, np.random.default_rng(0))
    assert [len(point) for point in points] == [1, 4 * DEALS, 6 * DEALS]
    for point, times in zip(points, (1, 3 * DEALS, 3 * DEALS), strict=True):
        np.testing.assert_array_equal(np.sum(point, axis=0), times)
        for chosen in point:
            assert set(groups[chosen]).isdisjoint(groups[~chosen])  # groups are not split


def test_the_intercept_is_that_of_polyfit() -> None:
    n, values = [40, 60, 81], np.random.default_rng(3).normal(size=(3, 5))
    wanted = np.polyfit(1 / np.array(n), values, 1)[1]
    np.testing.assert_allclose(intercept(n, values), wanted, rtol=1e-9)
    assert np.abs(np.polyfit(np.array(n, float), values, 1)[1] - wanted).min() > 1e-3  # in n


def test_too_little_is_refused_with_both_numbers() -> None:
    x, labels = seeds(1, 8, 1)
    with pytest.raises(ValueError, match=r"hold 4 images; .* more images than the 6 numbers"):
        extrapolated(x, labels)
    with pytest.raises(ValueError, match="3 prompt groups; a line in 1/n needs at least 4"):
        extrapolated(x, labels // 3)
    assert frechet_distance(x[0], REFERENCE) > 0
