"""The noise floor: the distance of images that have the distribution of the reference."""

import numpy as np
import pytest

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import KidReference, Reference, frechet_distance, kid
from analysis.statistics.floors import Distance, kid_from_rest, noise_floor

IMAGES = np.random.default_rng(3).normal(size=(800, 6))
SHIFT = 0.7


def frechet(part: Floats, rest: Floats) -> float:
    return frechet_distance(part, Reference.from_features(rest))


def floor_of(distance: Distance, n: int) -> tuple[float, float]:
    floor = noise_floor(IMAGES, n, distance, rng=np.random.default_rng(n))
    assert (floor.n, floor.reference_n, floor.splits) == (n, 800 - n, 20)
    return floor.mean, floor.spread


@pytest.mark.parametrize("n", [2, 30, 400])
def test_the_kernel_distance_from_the_rest_is_that_of_the_rest(n: int) -> None:
    whole = KidReference.from_features(IMAGES)
    distance = kid_from_rest(IMAGES[:n], whole)
    assert distance == pytest.approx(kid(IMAGES[:n], IMAGES[n:]), rel=1e-9, abs=1e-12)
    # The negative control: a reference that includes the images themselves.
    assert abs(distance - kid(IMAGES[:n], whole)) > 1e-6


def test_the_floor_of_an_unbiased_distance_is_zero() -> None:
    for n in (20, 80, 320):
        mean, spread = floor_of(kid, n)
        assert abs(mean) < spread


def test_the_floor_of_a_frechet_distance_falls_as_1_over_n() -> None:
    floors = [floor_of(frechet, n)[0] for n in (25, 50, 100, 200)]
    ratios = np.array(floors[:-1]) / floors[1:]
    assert min(floors) > 0
    np.testing.assert_allclose(ratios, 2, atol=0.7)  # the rest shrinks, so not quite 2


@pytest.mark.parametrize("distance", [kid, frechet])
def test_shifted_images_lie_above_the_floor(distance: Distance) -> None:
    mean, spread = floor_of(distance, 100)
    assert distance(IMAGES[:100], IMAGES[100:]) < mean + 3 * spread
    assert distance(IMAGES[:100] + SHIFT, IMAGES[100:]) > mean + 3 * spread


def test_too_small_a_reference_has_no_floor() -> None:
    with pytest.raises(ValueError, match="802 images; there are 800"):
        noise_floor(IMAGES, 401, kid, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="1 split"):
        noise_floor(IMAGES, 40, kid, rng=np.random.default_rng(0), splits=1)
