"""Distances equal independent computations, and differ from wrong computations."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from analysis.statistics.arrays import Floats
from analysis.statistics.distances import (
    KidReference,
    Reference,
    frechet_contributions,
    frechet_distance,
    frechet_method,
    kid,
    kid_contributions,
)
from analysis.statistics.kernels import pair_sums
from analysis.statistics.leave_out import (
    balanced_blocks,
    frechet_without_groups,
    kid_without_groups,
)

SIZES = [(60, 12), (13, 12), (12, 12), (7, 12), (2, 12), (40, 1)]


def features(n: int, d: int, *, seed: int = 0, shift: float = 0.0) -> Floats:
    """Draw correlated features whose columns differ in spread, like those of a network."""
    mixing = np.random.default_rng(99).normal(size=(d, d)) * np.linspace(0.3, 2, d)
    return np.random.default_rng(seed).normal(size=(n, d)) @ mixing + shift


def moments(x: Floats) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance in torch."""
    return torch.from_numpy(x.mean(axis=0)), torch.from_numpy(np.atleast_2d(np.cov(x.T)))


def by_torchmetrics(x: Floats, y: Floats) -> float:
    return float(_compute_fid(*moments(x), *moments(y)))


def by_sqrtm(x: Floats, y: Floats) -> float:
    first, second = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(first @ second).real
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(first + second - 2 * root))


def by_unsymmetric_eigvalsh(x: Floats, y: Floats) -> float:
    """Compute it wrongly: eigvalsh reads one triangle of a product that is not symmetric."""
    first, second = np.cov(x.T), np.cov(y.T)
    root = np.sqrt(np.clip(linalg.eigvalsh(first @ second), 0, None)).sum()
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(first + second) - 2 * root)


def by_forgotten_cross_term(x: Floats, y: Floats) -> float:
    """Compute it wrongly: without the cross term of the covariances."""
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T)))


@pytest.mark.parametrize(("n", "d"), SIZES)
def test_frechet_is_torchmetrics(n: int, d: int) -> None:
    x, y = features(n, d, seed=1, shift=0.5), features(100, d, seed=2)
    value = frechet_distance(x, Reference.from_features(y))
    # The general eigenvalues of a singular product carry the root of the rounding error.
    assert value == pytest.approx(by_torchmetrics(x, y), rel=1e-6)


def test_frechet_is_the_square_root_of_scipy() -> None:
    x, y = features(60, 12, seed=1, shift=0.5), features(100, 12, seed=2)
    value = frechet_distance(x, Reference.from_features(y))
    assert value == pytest.approx(by_sqrtm(x, y), rel=1e-6)


@pytest.mark.parametrize("wrong", [by_unsymmetric_eigvalsh, by_forgotten_cross_term])
def test_wrong_frechet_fails_the_same_check(wrong) -> None:  # noqa: ANN001
    x, y = features(60, 12, seed=1, shift=0.5), features(100, 12, seed=2)
    assert wrong(x, y) != pytest.approx(by_torchmetrics(x, y), rel=1e-6)


def test_low_rank_form_equals_full_form() -> None:
    x, y = features(9, 12, seed=1), features(100, 12, seed=2)
    factor, shift = np.linalg.cholesky(np.cov(y.T)), x.mean(axis=0) - y.mean(axis=0)
    root = np.sqrt(linalg.eigvalsh(factor.T @ np.cov(x.T) @ factor).clip(0)).sum()
    full = shift @ shift + np.trace(np.cov(x.T) + np.cov(y.T)) - 2 * root
    assert frechet_method(9, 12) == "low_rank"
    assert frechet_distance(x, Reference.from_features(y)) == pytest.approx(full, rel=1e-6)


def test_frechet_works_with_a_singular_reference() -> None:
    x, y = features(60, 12, seed=1), features(6, 12, seed=2)
    value = frechet_distance(x, Reference.from_features(y))
    # The distance is symmetric, and with the sides swapped the reference is regular.
    assert value == pytest.approx(frechet_distance(y, Reference.from_features(x)), rel=1e-9)


def test_reference_root_squares_to_the_covariance() -> None:
    reference = Reference.from_features(features(50, 12))
    np.testing.assert_allclose(reference.root.T @ reference.root, reference.covariance, rtol=1e-9)
    np.testing.assert_allclose(reference.covariance, np.cov(features(50, 12).T), rtol=1e-9)


def test_frechet_to_itself_is_zero() -> None:
    x = features(60, 12)
    assert 0 <= frechet_distance(x, Reference.from_features(x)) < 1e-9 * np.trace(np.cov(x.T))


def test_frechet_keeps_its_input() -> None:
    x = features(60, 12)
    kept = x.copy()
    frechet_distance(x, Reference.from_features(x))
    np.testing.assert_array_equal(x, kept)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 14), scale=st.floats(0.01, 100))
def test_frechet_ignores_order_and_scales_squared(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 6)), rng.normal(size=(20, 6)) + 1
    reference = Reference.from_features(y)
    value = frechet_distance(x, reference)
    assert frechet_distance(rng.permutation(x), reference) == pytest.approx(value, rel=1e-9)
    scaled = frechet_distance(scale * x, Reference.from_features(scale * y))
    assert scaled == pytest.approx(scale**2 * value, rel=1e-7)


def test_contributions_are_the_derivative() -> None:
    """A little more weight on one image moves the distance by its contribution."""
    x, y = features(1000, 3, seed=1, shift=0.4), features(400, 3, seed=2)
    reference = Reference.from_features(y)
    repeated = np.tile(x, (50, 1))
    phi = frechet_contributions(repeated, reference)
    more = np.concatenate([repeated, x[[3]]])
    moved = frechet_distance(more, reference) - frechet_distance(repeated, reference)
    expected = (phi[3] - phi.mean()) / len(more)
    assert moved == pytest.approx(expected, rel=1e-2)
    assert moved != pytest.approx(-expected, rel=1e-2)


def test_contributions_refuse_few_images() -> None:
    reference = Reference.from_features(features(50, 12))
    with pytest.raises(ValueError, match="n = 12, d = 12"):
        frechet_contributions(features(12, 12), reference)


@pytest.mark.parametrize(("n", "d"), [(60, 12), (14, 12), (9, 12)])
def test_frechet_without_groups_is_exact(n: int, d: int) -> None:
    x, reference = features(n, d, seed=1, shift=1), Reference.from_features(features(80, d))
    groups = np.arange(n) % 4
    direct = [frechet_distance(x[groups != g], reference) for g in range(4)]
    np.testing.assert_allclose(frechet_without_groups(x, groups, reference), direct, rtol=1e-6)
    assert not np.allclose(direct, frechet_distance(x, reference), rtol=1e-6)


def double_loop(x: Floats, y: Floats) -> float:
    """The definition of the unbiased estimator, pair by pair."""

    def k(a: Floats, b: Floats) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(k(a, b) for a in x for b in y) / (n * m)
    return xx + yy - 2 * xy


def test_kid_is_the_double_loop() -> None:
    x, y = features(9, 4, seed=1, shift=0.5), features(14, 4, seed=2)
    assert kid(x, y) == pytest.approx(double_loop(x, y), rel=1e-10)
    shared = KidReference.from_features(y)
    assert kid(x, shared) == kid(x, y)
    assert kid_contributions(x, shared).mean() == pytest.approx(kid(x, y), rel=1e-12)


def test_kid_is_torchmetrics_on_full_sets() -> None:
    x, y = features(40, 12, seed=1, shift=0.5), features(40, 12, seed=2)
    theirs = float(poly_mmd(torch.from_numpy(y), torch.from_numpy(x)))
    assert kid(x, y) == pytest.approx(theirs, rel=1e-9)
    with_diagonal = kid_contributions(x, y).mean() + ((x**2).sum(axis=1) / 12 + 1).mean() ** 3 / 40
    assert with_diagonal != pytest.approx(theirs, rel=1e-9)


def test_kid_is_unbiased_and_the_full_mean_is_not() -> None:
    rng = np.random.default_rng(5)
    reference = KidReference.from_features(rng.normal(size=(1000, 3)))
    draws = [rng.normal(size=(8, 3)) for _ in range(1000)]
    values = np.array([kid(x, reference) for x in draws])
    error = values.std() / np.sqrt(len(values))
    # The reference stands for the population: its own sampling error is a small offset.
    assert abs(values.mean()) < 5 * error + 0.05
    diagonal = np.array([((x**2).sum(axis=1) / 3 + 1) ** 3 for x in draws]).mean() / 8
    assert diagonal > 5 * error + 0.05


def test_kid_without_groups_is_exact() -> None:
    x, y = features(24, 4, seed=1), features(30, 4, seed=2)
    groups = np.array(["c", "a", "b"])[np.arange(24) % 3]
    direct = [kid(x[groups != g], y) for g in "abc"]
    left_out = kid_without_groups(x, groups, y)
    np.testing.assert_allclose(left_out.without, direct, rtol=1e-10)
    assert left_out.value == pytest.approx(kid(x, y), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 12), kinds=st.integers(1, 5), chunk=st.integers(1, 13))
def test_half_of_the_kernel_gives_the_sums_of_all_pairs(n: int, kinds: int, chunk: int) -> None:
    rng = np.random.default_rng([n, kinds, chunk])
    x = rng.normal(size=(n, 3))
    codes = np.unique(rng.integers(kinds, size=n), return_inverse=True)[1]
    pairs = (x @ x.T / 3 + 1) ** 3
    np.fill_diagonal(pairs, 0.0)
    rows, within = pair_sums(x, codes, chunk=chunk)
    np.testing.assert_allclose(rows, pairs.sum(axis=1), rtol=1e-12, atol=1e-12)
    blocks = [pairs[np.ix_(codes == g, codes == g)].sum() for g in range(codes.max() + 1)]
    np.testing.assert_allclose(within, blocks, rtol=1e-12, atol=1e-12)


def test_the_kernel_of_a_seed_is_never_in_memory_as_a_whole() -> None:
    x, codes = features(3000, 4), np.zeros(3000, dtype=np.intp)

    def peak(chunk: int) -> int:
        tracemalloc.start()
        pair_sums(x, codes, chunk=chunk)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return int(found)

    assert peak(300) < 3 * 3000 * 300 * 8 < 3000 * 3000 * 8 < peak(3000)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 12))
def test_kid_ignores_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 4)), rng.normal(size=(9, 4))
    value = kid(x, y)
    assert kid(rng.permutation(x), rng.permutation(y)) == pytest.approx(value, rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.integers(0, 60), min_size=1, max_size=200), limit=st.integers(2, 25))
def test_blocks_never_split_a_group_and_ignore_order(labels: list[int], limit: int) -> None:
    groups = np.array(labels)
    blocks = balanced_blocks(groups, len(groups), limit=limit)
    assert all(len(set(blocks[groups == g])) == 1 for g in set(labels))
    assert len(set(blocks.tolist())) == min(limit, len(set(labels)))
    order = np.random.default_rng(0).permutation(len(groups))
    np.testing.assert_array_equal(
        balanced_blocks(groups[order], len(groups), limit=limit), blocks[order]
    )


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((1, 3)), "n >= 2"),
        (np.full((4, 3), np.nan), "4 of 4"),
        (np.zeros((4, 2)), "2 columns"),
    ],
)
def test_malformed_features_are_refused(bad: Floats, words: str) -> None:
    good = features(10, 3)
    with pytest.raises(ValueError, match=words):
        frechet_distance(bad, Reference.from_features(good))
    with pytest.raises(ValueError, match=words):
        kid(bad, good)


def test_malformed_references_and_groups_are_refused() -> None:
    x, reference = features(6, 3), Reference.from_features(features(10, 3))
    with pytest.raises(ValueError, match="not symmetric"):
        Reference.from_moments(np.zeros(2), [[1.0, 0.5], [0.0, 1.0]], 5)
    with pytest.raises(ValueError, match="3 entries"):
        Reference.from_moments(np.zeros(3), np.eye(2), 5)
    with pytest.raises(ValueError, match="one label for each of 6"):
        frechet_without_groups(x, [0, 1], reference)
    with pytest.raises(ValueError, match="at least 2 images must remain"):
        frechet_without_groups(x, [0, 0, 0, 0, 0, 1], reference)
    with pytest.raises(ValueError, match="at least 2 images must remain"):
        kid_without_groups(x, np.zeros(6), features(10, 3))
