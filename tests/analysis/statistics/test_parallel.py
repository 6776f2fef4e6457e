"""Distances computed in parallel equal those computed one after the other."""

import numpy as np
import pytest

from analysis.statistics.distances import Reference, frechet_distance
from analysis.statistics.parallel import NARROW, frechet_distances


def _features(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    return rng.standard_normal((n, width)) * np.linspace(0.5, 2, width)


@pytest.mark.parametrize("width", [8, NARROW + 44])
def test_equals_one_after_the_other(width: int) -> None:
    rng = np.random.default_rng(0)
    reference = Reference.from_features(_features(rng, 2 * width, width))
    seeds = [_features(rng, 2 * width, width) + shift for shift in (0.0, 2.0, 4.0)]
    together = frechet_distances(iter(seeds), reference)
    np.testing.assert_allclose(together, [frechet_distance(x, reference) for x in seeds], rtol=1e-9)
    assert (np.diff(together) > 0).all(), "the order of the seeds must not change"


def test_the_first_bad_seed_is_an_error() -> None:
    rng = np.random.default_rng(0)
    reference = Reference.from_features(_features(rng, 40, NARROW))
    seeds = [_features(rng, 40, NARROW), _features(rng, 40, NARROW - 1)]
    with pytest.raises(ValueError, match=str(NARROW - 1)):
        frechet_distances(seeds, reference)
