"""Each interval has its nominal coverage, and the naive interval does not.

2,000 repetitions each. A method passes if its coverage lies in the band that holds 99.9 % of all
simulations of an exact method. Methods that are conservative by construction have their own band,
with the reason in a comment.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.distances import KidReference, Reference, frechet_distance
from analysis.statistics.intervals import (
    frechet_interval,
    grouped_mean_interval,
    jackknife_interval,
    kid_interval,
)
from analysis.statistics.leave_out import balanced_blocks, frechet_without_groups
from analysis.statistics.reliability import rank_correlation, split_half
from analysis.statistics.variance import variance_shares

RUNS = 2000
BAND = tuple(float(k) / RUNS for k in stats.binom(RUNS, 0.95).ppf([0.0005, 0.9995]))


def coverage(intervals: Sequence[Interval], truth: float) -> float:
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


def within(share: float, *, band: tuple[float, ...] = BAND) -> bool:
    return band[0] <= share <= band[1]


def crossed(
    rng: np.random.Generator, shape: tuple[int, int, int], sds: tuple[float, ...]
) -> Floats:
    """Values (S, G, m) of crossed seeds and prompts in groups.

    The standard deviations are those of seed, group, prompt, seed x group, seed x prompt.
    """
    s, g, m = shape
    sizes = [(s, 1, 1), (1, g, 1), (1, g, m), (s, g, 1), (s, g, m)]
    return sum(
        (sd * rng.standard_normal(size) for sd, size in zip(sds, sizes, strict=True)),
        np.zeros(shape),
    )


def images(rng: np.random.Generator, g: int, m: int, d: int, share: float) -> Floats:
    """Features (g * m, d) of one seed; the group has `share` of their variance."""
    single, group = rng.standard_normal((g, m, d)), rng.standard_normal((g, 1, d))
    return (np.sqrt(share) * group + np.sqrt(1 - share) * single).reshape(g * m, d)


def test_band_is_that_of_the_binomial() -> None:
    assert pytest.approx((0.934, 0.966), abs=0.001) == BAND


def test_grouped_mean() -> None:
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(12), 5)
    values = [crossed(rng, (1, 12, 5), (0, 0.8, 0.5, 0.6, 1)).ravel() for _ in range(RUNS)]
    assert within(coverage([grouped_mean_interval(v, groups) for v in values], 0.0))
    naive = [grouped_mean_interval(v, np.arange(60)) for v in values]
    assert not within(coverage(naive, 0.0))


def seeds_images(d: int, g: int, m: int, *, shift: float, share: float) -> tuple[Floats, Floats]:
    """Features of RUNS draws of prompts for one seed, and of a reference."""
    rng = np.random.default_rng(d + g)
    mixing = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.linspace(0.5, 1.5, d)
    draws = np.stack([images(rng, g, m, d, share) for _ in range(RUNS)])
    return (shift + 1.1 * draws) @ mixing, rng.standard_normal((400, d)) @ mixing


def test_frechet_by_contributions() -> None:
    draws, real = seeds_images(4, 40, 3, shift=0.7, share=0.5)
    reference, groups = Reference.from_features(real), np.repeat(np.arange(40), 3)
    intervals = [frechet_interval(x, groups, reference) for x in draws]
    assert "contributions" in intervals[0].method
    truth = float(np.mean([i.value for i in intervals]))
    assert within(coverage(intervals, truth))
    naive = [frechet_interval(x, None, reference) for x in draws]
    assert not within(coverage(naive, truth))


def test_frechet_by_jackknife_and_never_by_bootstrap() -> None:
    draws, real = seeds_images(6, 12, 1, shift=0.9, share=0.5)
    reference, groups = Reference.from_features(real), np.arange(12)
    intervals = [frechet_interval(x, groups, reference) for x in draws]
    assert "jackknife" in intervals[0].method
    truth = float(np.mean([i.value for i in intervals]))
    # n is at most 2 d: leaving a group out also changes the bias of 1/n, which the jackknife
    # counts as noise. Coverage is never below nominal and up to 3 % above.
    assert within(coverage(intervals, truth), band=(BAND[0], 0.985))
    assert not within(bootstrap_coverage(draws[:300], reference, truth), band=(BAND[0], 0.985))


def bootstrap_coverage(draws: Floats, reference: Reference, truth: float) -> float:
    """The negative control: the percentile bootstrap, images drawn with replacement."""
    rng = np.random.default_rng(7)
    covered = []
    for x in draws:
        picks = rng.integers(len(x), size=(30, len(x)))
        values = [frechet_distance(x[pick], reference) for pick in picks]
        covered.append(min(values) <= truth <= max(values))
    return float(np.mean(covered))


def test_frechet_of_a_seed_like_the_reference_is_conservative() -> None:
    draws, real = seeds_images(4, 60, 1, shift=0.0, share=0.0)
    reference = Reference.from_features(real)
    intervals = [frechet_interval(x / 1.1, None, reference) for x in draws]
    truth = float(np.mean([i.value for i in intervals]))
    # The first-order term of the distance vanishes here, so its variance is overestimated.
    assert 0.96 < coverage(intervals, truth) <= 1.0


def test_jackknife_of_many_groups_joins_them() -> None:
    draws, real = seeds_images(4, 40, 2, shift=0.7, share=0.5)
    reference, groups = Reference.from_features(real), np.repeat(np.arange(40), 2)
    blocks = balanced_blocks(groups, 80)
    sizes = np.bincount(blocks)
    intervals = [
        jackknife_interval(
            frechet_distance(x, reference), frechet_without_groups(x, blocks, reference), sizes
        )
        for x in draws
    ]
    truth = float(np.mean([i.value for i in intervals]))
    # This interval is symmetric in the squared distance and covers up to 3 % too little, which
    # is why `frechet_interval` is symmetric on the root scale.
    assert within(coverage(intervals, truth), band=(0.915, BAND[1]))
    assert sizes.tolist() == [4] * 20


def test_kid() -> None:
    draws, real = seeds_images(16, 24, 4, shift=0.6, share=0.5)
    reference, groups = KidReference.from_features(real[:100]), np.repeat(np.arange(24), 4)
    intervals = [kid_interval(x, groups, reference) for x in draws]
    truth = float(np.mean([i.value for i in intervals]))
    # The upper bound is the higher of two, so coverage is up to 2 % above nominal.
    band = (BAND[0], 0.98)
    assert within(coverage(intervals, truth), band=band)
    naive = [kid_interval(x, np.arange(96), reference) for x in draws[:600]]
    assert not within(coverage(naive, truth), band=band)


@pytest.mark.parametrize("sds", [(0.5, 0, 1, 0, 1), (0.1, 0, 0.3, 0, 1), (1, 0, 1, 0, 0.3)])
def test_variance_shares_of_a_balanced_grid(sds: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    shares = [variance_shares(crossed(rng, (16, 24, 1), sds)[:, :, 0]) for _ in range(RUNS)]
    square = np.square(sds)
    seed, prompt, rest = np.array([square[0], square[2], square[4]]) / square.sum()
    # Satterthwaite's degrees of freedom are approximate; coverage is up to 1 % above nominal.
    band = (BAND[0], 0.975)
    assert within(coverage([share.seed for share in shares], seed), band=band)
    assert within(coverage([share.prompt for share in shares], prompt), band=band)
    assert within(coverage([share.rest for share in shares], rest), band=band)
    # Numerator and denominator are unbiased, and the ratio nearly so.
    assert np.mean([share.seed.value for share in shares]) == pytest.approx(seed, abs=0.02)


def test_prompt_bootstrap_of_the_seed_share_fails() -> None:
    """The negative control: prompts are drawn with replacement, seeds are held fixed."""
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(300):
        y = crossed(rng, (16, 24, 1), (1, 0, 1, 0, 0.3))[:, :, 0]
        drawn = y[:, rng.integers(24, size=(60, 24))].transpose(1, 0, 2)
        seeds = 24 * drawn.mean(axis=2).var(axis=1, ddof=1)
        prompts = 16 * drawn.mean(axis=1).var(axis=1, ddof=1)
        total = ((drawn - drawn.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=(1, 2))
        rest = (total - 15 * seeds - 23 * prompts) / (15 * 23)
        share = (seeds - rest) / 24 / ((seeds - rest) / 24 + (prompts - rest) / 16 + rest)
        low, high = np.quantile(share, [0.025, 0.975])
        covered.append(low <= 1 / 2.09 <= high)
    assert not within(float(np.mean(covered)))


def test_variance_shares_of_grouped_prompts() -> None:
    rng, sds = np.random.default_rng(5), (0.5, 0.5, 1, 0.5, 1)
    groups = np.repeat(np.arange(16), 3)
    grids = [crossed(rng, (20, 16, 3), sds).reshape(20, 48) for _ in range(RUNS)]
    square = np.square(sds)
    seed = square[0] / square.sum()
    shares = [variance_shares(y, groups) for y in grids]
    # The variance of the interaction is counted twice: coverage is never far below nominal.
    assert within(coverage([share.seed for share in shares], seed), band=(0.93, 0.985))
    assert within(
        coverage([share.rest for share in shares], (square[3] + square[4]) / square.sum()),
        band=(0.93, 0.985),
    )
    # Naive: seed x group effects count as seed effects. Two of the 47 partners of a prompt are in
    # its group, so the share rises by 2 / 47 of the share of seed x group, 0.004. The error of
    # both means is 0.0007, and both see the same grids.
    naive = [variance_shares(y).seed for y in grids]
    assert np.mean([s.seed.value for s in shares]) == pytest.approx(seed, abs=0.002)
    assert np.mean([s.value for s in naive]) != pytest.approx(seed, abs=0.002)


def test_reliability_of_per_seed_means() -> None:
    rng, groups = np.random.default_rng(6), np.repeat(np.arange(10), 4)
    truth = 0.25 / (0.25 + 0.64 / 10 + 1 / 40)
    grids = [crossed(rng, (16, 10, 4), (0.5, 0, 1, 0.8, 1)).reshape(16, 40) for _ in range(RUNS)]
    grouped = [split_half(y, groups, rng, splits=2).full for y in grids]
    assert within(coverage(grouped, truth))
    naive = [split_half(y, np.arange(40), rng, splits=2).full for y in grids]
    assert not within(coverage(naive, truth))


@pytest.mark.parametrize("rho", [0.8, 0.95])
def test_rank_correlation(rho: float) -> None:
    rng = np.random.default_rng(8)
    first = rng.standard_normal((RUNS, 60))
    second = rho * first + np.sqrt(1 - rho**2) * rng.standard_normal((RUNS, 60))
    truth = 6 / np.pi * np.arcsin(rho / 2)
    intervals = [rank_correlation(a, b) for a, b in zip(first, second, strict=True)]
    assert within(coverage(intervals, truth))
    # Naive: the error of a product-moment correlation, which is too small for ranks: coverage is
    # 93.5 % at 0.8, just inside the band, and 90 % at 0.95.
    z, half = np.arctanh([i.value for i in intervals]), 1.96 / np.sqrt(57)
    naive = (np.tanh(z - half) <= truth) & (truth <= np.tanh(z + half))
    assert naive.mean() < coverage(intervals, truth) - 0.02
    assert rho == 0.8 or not within(float(naive.mean()))
