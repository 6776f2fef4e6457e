"""Known answers of variance shares, reliability, shrinkage and the golden list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.intervals import (
    delete_group_jackknife,
    grouped_mean_interval,
    jackknife_error,
)
from analysis.statistics.reliability import (
    fisher_bounds,
    golden_by_expected_error,
    midranks,
    rank_correlation,
    split_half,
    top_quarter_probability,
    top_with_ties,
)
from analysis.statistics.shrinkage import shrink
from analysis.statistics.variance import mean_squares, variance_shares


def test_jackknife_of_a_mean_is_the_group_error() -> None:
    values = np.random.default_rng(0).normal(size=30)
    groups = np.arange(30) % 6
    by_sums = grouped_mean_interval(values, groups)
    by_jackknife = delete_group_jackknife(lambda rows: float(values[rows].mean()), groups)
    assert by_jackknife.low == pytest.approx(by_sums.low, rel=1e-9)
    assert by_jackknife.value == pytest.approx(values.mean())


def test_jackknife_error_of_equal_groups_is_the_textbook_form() -> None:
    without = np.array([1.0, 3.0, 2.0, 5.0])
    expected = np.sqrt(3 / 4 * ((without - without.mean()) ** 2).sum())
    assert jackknife_error(9.0, without, [2, 2, 2, 2]) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), scale=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_mean_intervals_ignore_order_and_follow_units(
    seed: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    x, groups = rng.normal(size=12), rng.permutation(np.arange(12) % 4)
    order = rng.permutation(12)
    base, moved = grouped_mean_interval(x, groups), grouped_mean_interval(scale * x + shift, groups)
    mixed = grouped_mean_interval(x[order], groups[order])
    assert mixed.low == pytest.approx(base.low, rel=1e-9, abs=1e-12)
    assert moved.high == pytest.approx(scale * base.high + shift, rel=1e-9, abs=1e-9)


def test_intervals_need_two_groups_and_finite_values() -> None:
    with pytest.raises(ValueError, match="at least 2 groups"):
        grouped_mean_interval([1.0, 2.0], [0, 0])
    with pytest.raises(ValueError, match="finite"):
        grouped_mean_interval([1.0, np.nan], [0, 1])


def test_pairs_of_cells_give_the_analysis_of_variance() -> None:
    """On a full grid of independent prompts, both estimators give the same numbers."""
    y = np.random.default_rng(1).normal(size=(6, 8)) + np.arange(6)[:, None]
    balanced = variance_shares(y)
    twice = variance_shares(np.repeat(y, 2, axis=1), np.repeat(np.arange(8), 2))
    # A repeated column is a group whose members agree: the same pairs, counted four times.
    assert twice.seed.value == pytest.approx(balanced.seed.value, rel=1e-9)
    assert twice.seed.method.startswith("two-way jackknife")
    total = sum(share.value for share in (balanced.seed, balanced.prompt, balanced.rest))
    assert total == pytest.approx(1)


def test_a_missing_cell_changes_the_method_and_hardly_the_value() -> None:
    y = np.random.default_rng(1).normal(size=(12, 10)) + np.arange(12)[:, None]
    incomplete = y.copy()
    incomplete[3, 4] = np.nan
    shares = variance_shares(incomplete)
    assert shares.seed.n == 119
    assert "jackknife" in shares.seed.method
    assert shares.seed.value == pytest.approx(variance_shares(y).seed.value, abs=0.02)


def test_negative_estimates_are_kept() -> None:
    rng = np.random.default_rng(0)
    values = [variance_shares(rng.normal(size=(6, 6))).seed for _ in range(40)]
    assert min(value.value for value in values) < 0
    assert min(value.low for value in values) < 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), scale=st.floats(0.01, 100))
def test_shares_ignore_order_and_units(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    y, groups = rng.normal(size=(5, 8)), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    seeds, prompts = rng.permutation(5), rng.permutation(8)
    base = variance_shares(y, groups).seed
    mixed = variance_shares(scale * y[seeds][:, prompts] - 3, groups[prompts]).seed
    assert mixed.value == pytest.approx(base.value, rel=1e-6, abs=1e-9)
    assert mixed.low == pytest.approx(base.low, rel=1e-6, abs=1e-9)


def test_shares_refuse_grids_without_variance_or_too_small() -> None:
    with pytest.raises(ValueError, match="do not vary"):
        variance_shares(np.ones((4, 4)))
    with pytest.raises(ValueError, match=r"shape \(2, 4\)"):
        variance_shares(np.ones((2, 4)))
    with pytest.raises(ValueError, match="2 groups"):
        variance_shares(np.random.default_rng(0).normal(size=(4, 4)), [0, 0, 1, 1])


def test_split_half_agrees_with_the_variance_components() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=(400, 1)) + 2 * rng.normal(size=(400, 12))
    reliability = split_half(y, np.arange(12), rng)
    assert reliability.full.value == pytest.approx(1 / (1 + 4 / 12), abs=0.05)
    assert reliability.half == pytest.approx(1 / (1 + 4 / 6), abs=0.05)
    assert reliability.full.low < reliability.full.value < reliability.full.high


@pytest.mark.parametrize("sizes", [[1] * 20 + [6] * 6, [10, 3, 2, 1, 1, 1]])
def test_the_interval_of_unequal_groups_holds_and_that_of_prompts_does_not(
    sizes: list[int],
) -> None:
    rng, draws = np.random.default_rng(3), 200
    groups = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.array(sizes) / len(groups)
    truth = 1 / (1 + (weights**2).sum())  # seed and seed x group effects have equal variance
    held = {True: 0, False: 0}
    for _ in range(draws):
        y = rng.normal(size=(256, 1)) + rng.normal(size=(256, len(sizes)))[:, groups]
        y += 0.1 * rng.normal(size=y.shape)
        for grouped, labels in ((True, groups), (False, np.arange(len(groups)))):
            interval = split_half(y, labels, rng, splits=2).full
            held[grouped] += interval.low <= truth <= interval.high
    assert held[True] > 0.88 * draws
    assert held[False] < 0.7 * draws


def test_the_interval_of_equal_groups_is_feldts() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=(30, 1)) + 2 * rng.normal(size=(30, 8))
    seeds, _, rest = mean_squares(y)
    tails = stats.f.ppf([0.975, 0.025], 29, 29 * 7)
    interval = split_half(y, np.arange(8), rng).full
    feldt = (1 - rest / seeds * tails).tolist()
    assert [interval.low, interval.high] == pytest.approx(feldt, rel=1e-9)


def test_split_half_refuses_few_groups_and_gaps() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="3 groups"):
        split_half(np.zeros((5, 6)), [0, 0, 1, 1, 2, 2], rng)
    with pytest.raises(ValueError, match="finite"):
        split_half(np.full((5, 6), np.nan), np.arange(6), rng)


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, size=40), rng.integers(0, 5, size=40)
    theirs = float(stats.spearmanr(a, b).statistic)
    assert rank_correlation(a, b).value == pytest.approx(theirs, rel=1e-12)
    broken = np.argsort(np.argsort(a, kind="stable"), kind="stable")
    assert float(np.corrcoef(broken, b)[0, 1]) != pytest.approx(theirs, rel=1e-12)


def test_rank_correlation_at_the_edges() -> None:
    assert rank_correlation([1, 2, 3], [1, 2, 3]).low == -1
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).value == 0
    assert rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]).value == 1
    with pytest.raises(ValueError, match="3 and 4 seeds"):
        rank_correlation([1, 2, 3], [1, 2, 3, 4])


def shrunken_draws(seeds: int, tables: int) -> tuple[float, float, float]:
    """Error of the winner's raw and shrunken value, and how often 1.96 sd cover the truth."""
    rng = np.random.default_rng(0)
    raw, kept, inside = [], [], []
    for _ in range(tables):
        errors = rng.uniform(0.5, 2, size=seeds)
        truth = rng.normal(3, 1, size=seeds)
        seen = truth + errors * rng.normal(size=seeds)
        shrunken, best = shrink(seen, errors), int(np.argmax(seen))
        raw.append(seen[best] - truth[best])
        kept.append(shrunken.mean[best] - truth[best])
        inside.append((np.abs(shrunken.mean - truth) < 1.96 * shrunken.sd).mean())
    return float(np.mean(raw)), float(np.mean(kept)), float(np.mean(inside))


def test_shrunken_effects_are_calibrated_and_the_winners_raw_value_is_not() -> None:
    raw, kept, inside = shrunken_draws(1024, 400)
    assert kept == pytest.approx(0, abs=0.2)
    assert raw > 1
    assert inside == pytest.approx(0.95, abs=0.005)


def test_with_few_seeds_posterior_deviations_are_too_small() -> None:
    raw, kept, inside = shrunken_draws(64, 400)
    assert kept == pytest.approx(0, abs=0.2)
    assert raw > 1
    # They take centre and spread as known; with 64 seeds these are uncertain themselves.
    assert inside == pytest.approx(0.925, abs=0.01)


def test_no_spread_shrinks_to_one_value() -> None:
    shrunken = shrink([1.0, 1.1, 0.9], [5.0, 5.0, 5.0])
    assert shrunken.spread == 0
    assert shrunken.mean == pytest.approx([1.0, 1.0, 1.0])
    p = top_quarter_probability(shrunken.mean, shrunken.sd, np.random.default_rng(0))
    assert p == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    with pytest.raises(ValueError, match="all positive"):
        shrink([1.0, 2.0], [1.0, 0.0])


def test_top_quarter_probabilities_are_true_ones() -> None:
    """Of the seeds whose probability of being in the top quarter is p, a share p is in it."""
    rng = np.random.default_rng(1)
    probabilities, true = [], []
    for _ in range(150):
        truth = rng.normal(size=40)
        shrunken = shrink(truth + 0.7 * rng.normal(size=40), np.full(40, 0.7))
        probabilities.append(top_quarter_probability(shrunken.mean, shrunken.sd, rng, draws=500))
        true.append(np.isin(np.arange(40), np.argsort(-truth)[:10]))
    p, hit = np.concatenate(probabilities), np.concatenate(true)
    for low, high in ((0.05, 0.2), (0.4, 0.6), (0.75, 0.95)):
        part = (p > low) & (p < high)
        assert hit[part].mean() == pytest.approx(p[part].mean(), abs=0.06)
    assert p.sum() == pytest.approx(150 * 10)


def test_lower_is_the_mirror_of_higher() -> None:
    means, sds = np.arange(8.0), np.full(8, 0.01)
    rng = np.random.default_rng(0)
    up = top_quarter_probability(means, sds, rng)
    down = top_quarter_probability(means, sds, rng, direction="lower")
    assert np.flatnonzero(up > 0.5).tolist() == [6, 7]
    assert np.flatnonzero(down > 0.5).tolist() == [0, 1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.8, 0.9, 0.95, 1.0]), max_size=12))
def test_the_golden_list_is_the_longest_within_the_limit(probabilities: list[float]) -> None:
    p = np.array(probabilities)
    golden = golden_by_expected_error(p)
    outside = np.delete(p, golden)
    if golden.size:
        assert (1 - p[golden]).mean() <= 0.1 + 1e-9
        assert outside.size == 0 or outside.max() < p[golden].min()
    if outside.size:
        longer = np.concatenate([p[golden], outside[outside == outside.max()]])
        assert (1 - longer).mean() > 0.1


def test_an_empty_golden_list_is_a_result() -> None:
    assert golden_by_expected_error(np.full(20, 0.25)).size == 0
    with pytest.raises(ValueError, match="reach from"):
        golden_by_expected_error([0.5, 1.5])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(0, 999))
def test_all_seeds_that_tie_are_listed_in_any_order(values: list[int], seed: int) -> None:
    x = np.array(values)
    m = max(1, len(x) // 4)
    top = top_with_ties(x, m, direction="higher")
    order = np.random.default_rng(seed).permutation(len(x))
    again = top_with_ties(x[order], m, direction="higher")
    assert set(order[again]) == set(top)
    assert len(top) >= m
    assert top_with_ties(-x, m, direction="lower").tolist() == top.tolist()


def test_ranks_and_tops_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="finite"):
        midranks([1.0, np.nan])
    with pytest.raises(ValueError, match="m is 5"):
        top_with_ties([1.0, 2.0], 5, direction="higher")


def by_correlation(y: NDArray[np.float64], groups: NDArray[np.intp]) -> float:
    """The old value: the mean correlation of random halves, stepped up by Spearman-Brown."""
    half = split_half(y, groups, np.random.default_rng(0)).half
    return 2 * half / (1 + half)


def test_a_reliability_lies_inside_its_own_interval() -> None:
    """One group with nearly all of the variance: correlations and mean squares disagree."""
    rng, outside, old_outside = np.random.default_rng(11), 0, 0
    for _ in range(100):
        y = rng.normal(size=(256, 1)) + 0.1 * rng.normal(size=(256, 5))
        y[:, 0] += 20 * rng.normal(size=256)
        full = split_half(y, np.arange(5), rng, splits=2).full
        outside += not full.low <= full.value <= full.high
        old_outside += not full.low <= by_correlation(y, np.arange(5)) <= full.high
    assert outside == 0
    assert old_outside > 0
    for same in (1.0, -1.0):
        assert rank_correlation(np.arange(9), same * np.arange(9)).value == same
        low, high = fisher_bounds(same, 9)
        assert low <= same <= high


def test_rounding_errors_are_no_differences_between_seeds() -> None:
    rng = np.random.default_rng(12)
    constant = 0.3 + 1e-16 * rng.normal(size=(16, 8))
    full = split_half(constant, np.arange(8), rng).full
    assert (full.value, full.low, full.high) == (0.0, -np.inf, 1.0)
    real = split_half(0.3 + 1e-6 * np.arange(16.0)[:, None] + constant, np.arange(8), rng).full
    assert real.value > 0.99
