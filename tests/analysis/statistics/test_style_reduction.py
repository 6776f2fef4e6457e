"""The exact and the sketched reduction of long vectors, against the vectors themselves."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from analysis.statistics.dual_pca import dual_pca, principal_axes, principal_cosines
from analysis.statistics.sketch import make_sketch

N, WIDTH, K = 256, 1500, 8


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Vectors like style vectors: far from zero, a few strong directions, float32."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((K + 4, WIDTH)) / np.sqrt(WIDTH)
    strength = 2.0 ** -np.arange(K + 4)[:, None] * 8
    rows = 5 + rng.standard_normal((N, K + 4)) @ (strength * directions)
    return (rows + 0.001 * rng.standard_normal((N, WIDTH))).astype(np.float32)


def test_the_subspace_is_that_of_the_full_pca(vectors: np.ndarray) -> None:
    pca = dual_pca(lambda a, b: vectors[a:b], N, components=K, block=48)
    axes = principal_axes(lambda a, b: vectors[a:b], pca, block=48)
    full = PCA(K, svd_solver="full").fit(vectors.astype(np.float64))
    assert principal_cosines(axes, full.components_).min() >= 1 - 1e-6
    np.testing.assert_allclose(pca.singular_values, full.singular_values_, rtol=1e-8)
    np.testing.assert_allclose(pca.explained, full.explained_variance_ratio_, rtol=1e-8)
    # Negative controls: without centring, and from fewer vectors, the subspace is another.
    raw = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)[2][:K]
    assert principal_cosines(raw, full.components_).min() < 1 - 1e-6
    part = dual_pca(lambda a, b: vectors[a : min(b, 200)], 200, components=K)
    fewer = principal_axes(lambda a, b: vectors[a : min(b, 200)], part)
    assert principal_cosines(fewer, full.components_).min() < 1 - 1e-6


def test_blocks_are_no_larger_than_requested(vectors: np.ndarray) -> None:
    sizes = []
    dual_pca(lambda a, b: sizes.append(b - a) or vectors[a:b], N, components=K, block=64)
    assert max(sizes) == 64
    assert len(sizes) == 4 + 3 + 2 + 1


def test_more_components_than_directions_are_refused() -> None:
    flat = np.ones((5, 7))
    with pytest.raises(ValueError, match="vary in 0 directions"):
        dual_pca(lambda a, b: flat[a:b], 5, components=1)
    with pytest.raises(ValueError, match="5 components of 5 vectors"):
        dual_pca(lambda a, b: flat[a:b], 5, components=5)


@pytest.mark.parametrize("size", [64, 512])
def test_the_sketchs_error_is_as_stated(vectors: np.ndarray, size: int) -> None:
    """Squared distances over independent sketches are unbiased, with an error within its bound."""
    x, y = vectors[0].astype(np.float64), vectors[1].astype(np.float64)
    wanted = np.square(x - y).sum()
    ratios = []
    for salt in range(300):
        first, second = make_sketch(WIDTH, size=size, salt=salt).apply(np.stack([x, y]))
        ratios.append(np.square(first - second).sum() / wanted)
    bound = np.sqrt(2 / size)  # arXiv:0902.2206, lemma 2
    assert abs(np.mean(ratios) - 1) < 4 * bound / np.sqrt(300)
    assert 0.5 * bound < np.std(ratios) < 1.15 * bound
    # The negative control: the first entries instead of a sketch are biased.
    assert abs(np.square((x - y)[:size]).sum() / wanted - 1) > 5 * bound / np.sqrt(300)
