"""Maps, clusters and adjusted p-values against scikit-learn, scipy and statsmodels."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, ward
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from statsmodels.stats.multitest import multipletests

from analysis.statistics.embedding import (
    cut_groups,
    holm,
    landmark_tsne,
    principal_scores,
    tsne,
)


@pytest.mark.parametrize("shape", [(40, 9), (12, 30)])
def test_scores_are_scikit_learns(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(3, 1, size=shape) * np.arange(1, shape[1] + 1)
    ours = principal_scores(x.astype(np.float32), 4)
    theirs = PCA(4, svd_solver="full").fit_transform(x.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-8, atol=1e-8)
    left, values, _ = np.linalg.svd(x, full_matrices=False)  # without subtracting the mean
    assert not np.allclose(np.abs(ours), np.abs(left * values)[:, :4], rtol=1e-2)


def test_what_does_not_vary_is_refused() -> None:
    with pytest.raises(ValueError, match="do not vary"):
        principal_scores(np.ones((9, 3)), 2)
    assert principal_scores(np.outer(np.arange(9.0), np.ones(3)), 2).shape == (9, 1)


def blobs(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    label = np.arange(n) % 3
    return 8 * np.eye(3, 10)[label] + rng.normal(size=(n, 10)), label


def test_landmarks_keep_groups_together_and_make_none() -> None:
    x, label = blobs(450)
    placed = landmark_tsne(x, landmarks=150, rng=np.random.default_rng(0), perplexity=15)
    again = landmark_tsne(x, landmarks=150, rng=np.random.default_rng(0), perplexity=15)
    np.testing.assert_array_equal(placed, again)
    assert silhouette_score(placed, label) > 0.5
    shuffled = np.random.default_rng(1).permutation(label)
    assert silhouette_score(placed, shuffled) < 0.05
    half = np.arange(len(x)) % 2 == 0
    near = KNeighborsClassifier(5).fit(placed[half], label[half])
    assert near.score(placed[~half], label[~half]) > 0.95


def test_a_point_is_put_at_the_median_of_its_ten_nearest_landmarks() -> None:
    x, _ = blobs(200)
    placed = landmark_tsne(x, landmarks=60, rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    state = int(rng.integers(2**31))
    chosen = np.sort(rng.permutation(200)[:60])
    others = np.setdiff1d(np.arange(200), chosen)
    np.testing.assert_array_equal(placed[chosen], tsne(x[chosen], random_state=state))
    near = NearestNeighbors(n_neighbors=11).fit(x[chosen]).kneighbors(x[others])[1]
    medians = np.median(placed[chosen][near[:, :10]], axis=1)
    np.testing.assert_allclose(placed[others], medians)
    assert not np.allclose(placed[others], np.median(placed[chosen][near], axis=1))


def test_few_points_are_all_mapped_by_tsne() -> None:
    x, _ = blobs(30)
    state = int(np.random.default_rng(5).integers(2**31))
    ours = landmark_tsne(x, landmarks=30, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(ours, tsne(x, random_state=state))


def test_groups_are_scipys_ward_cut() -> None:
    x, _ = blobs(45)
    ours, theirs = cut_groups(x, 4), cut_tree(ward(x), 4).ravel()
    assert len({*zip(ours.tolist(), theirs.tolist(), strict=True)}) == 4
    assert ours[0] == 0


def test_holm_is_statsmodels_and_not_bonferroni() -> None:
    p = np.random.default_rng(2).random(9) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)
    assert not np.allclose(holm(p), np.minimum(9 * p, 1))
