"""Means under permuted owners equal those of the plain loop over draws, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics import owned_means as module
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.leave_out import sums_by_group
from analysis.statistics.owned_means import owned_means
from analysis.statistics.owners import owned, permuted_owners, without_seed_effects


def plain(
    values: list[Floats], groups: list[Array], rng: np.random.Generator, draws: int
) -> list[tuple[Floats, Floats]]:
    """Draw owners for all images, and permute all numbers, one draw after the other."""
    found: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in values]
    for _ in range(draws):
        owners = permuted_owners(len(values[0]), groups, rng)
        for i, owner in enumerate(owners):
            mean = np.asarray(owned(values[i], owner).mean(axis=1))
            found[i][0].append(mean)
            own = values[i].mean(axis=1)
            found[i][1].append(without_seed_effects(mean, own, owner, groups[i]))
    return [(np.array(first), np.array(second)) for first, second in found]


@settings(max_examples=40, deadline=None)
@given(s=st.integers(2, 9), p=st.integers(1, 9), kinds=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_draws_are_those_of_the_plain_loop(s: int, p: int, kinds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(s, n)) for n in (p, p + 2)]
    groups = [rng.integers(kinds, size=n) for n in (p, p + 2)]
    streams = [np.random.default_rng(seed) for _ in range(2)]
    wanted = plain(values, groups, streams[0], 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "OWNERS_AT_ONCE", 7)  # parts end within draws
        found = owned_means(values, groups, streams[1], draws=5)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    assert streams[0].bit_generator.state == streams[1].bit_generator.state


def test_memory_does_not_grow_with_the_images() -> None:
    """Beside sums by group, a few megabytes; the plain loop permutes all numbers at once."""
    values = np.random.default_rng(0).normal(size=(64, 8192))
    groups = np.arange(8192)

    def peak(work: object) -> int:
        tracemalloc.start()
        work(  # type: ignore[operator]
            [values], [groups], np.random.default_rng(1), draws=2
        )
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return int(found)

    def loop(*arguments: object, draws: int) -> object:
        return plain(*arguments, draws)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "OWNERS_AT_ONCE", 2**14)
        assert peak(owned_means) < 2.5 * values.nbytes
    assert peak(loop) > 2.8 * values.nbytes


@pytest.mark.parametrize("kinds", [1, 3, 50])
def test_sums_by_group_are_those_of_a_one_hot_product(kinds: int) -> None:
    rng = np.random.default_rng(kinds)
    codes = np.unique(rng.integers(kinds, size=50), return_inverse=True)[1]
    values = rng.normal(size=(2, 4, 50))
    member = np.eye(int(codes.max()) + 1)[codes]
    np.testing.assert_allclose(sums_by_group(values, codes), values @ member, atol=1e-13)
    alone = rng.permutation(50)
    np.testing.assert_array_equal(sums_by_group(values, alone), values @ np.eye(50)[alone])
