"""The null of the seed's share: fast draws are those of plain permutations; ties count."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.owners import permute_owners
from analysis.statistics.seed_shares import compare_with_null
from analysis.statistics.variance import seed_share, seed_share_null, variance_shares

GROUPS = np.repeat(np.arange(6), 3)


def grid(*, missing: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 1)) + rng.exponential(size=(10, 18)) * np.arange(1, 19) / 4
    values += 2 * rng.normal(size=(10, 6))[:, GROUPS]
    if missing:
        values[rng.random(values.shape) < 0.2] = np.nan
    return values


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_the_shares_scatter_as_those_of_plain_permutations(
    groups: np.ndarray | None, *, missing: bool
) -> None:
    values, rng = grid(missing=missing), np.random.default_rng(1)
    quick = seed_share_null(values, groups, rng, draws=2000)
    plain = [seed_share(permute_owners(values, groups, rng), groups) for _ in range(2000)]
    assert stats.ks_2samp(quick, plain).pvalue > 0.01
    single = [seed_share(permute_owners(values, None, rng), GROUPS) for _ in range(2000)]
    if groups is not None:  # permuting within each prompt destroys the interaction with groups
        assert np.std(single) < 0.7 * np.std(quick)


def p_of(values: np.ndarray, groups: np.ndarray | None, draws: int = 2000) -> float:
    share = variance_shares(values, groups).seed.value
    return compare_with_null(share, values, groups, np.random.default_rng(0), draws=draws).p


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_what_no_permutation_changes_has_p_1(groups: np.ndarray | None) -> None:
    """A share that is 0 but for rounding, and a single event, which any seed may own."""
    of_prompts = np.tile(np.random.default_rng(1).normal(size=18) / 3, (10, 1))
    assert p_of(of_prompts, groups) == 1
    event = np.zeros((10, 18))
    event[3, 7] = 0.1
    assert p_of(event, groups) == 1
    share = seed_share(event, groups)
    null = seed_share_null(event, groups, np.random.default_rng(0), draws=200)
    # The negative control: without regard to rounding, some draws lie below the share.
    assert (null >= share + 1e-17).mean() < 1


def test_the_error_and_the_floor_are_those_of_the_draws() -> None:
    values = np.random.default_rng(2).normal(size=(10, 18))
    null = compare_with_null(seed_share(values), values, None, np.random.default_rng(0), draws=2000)
    repeats = [
        compare_with_null(seed_share(values), values, None, np.random.default_rng(i), draws=2000).p
        for i in range(1, 40)
    ]
    assert np.std(repeats) == pytest.approx(null.error, rel=0.4)
    strong = values + 5 * np.arange(10)[:, None]
    assert p_of(strong, None) == 1 / 2001
