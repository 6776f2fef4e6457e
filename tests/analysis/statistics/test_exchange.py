"""The exchange test has its nominal size without a change, and power with a change."""

import numpy as np

from analysis.statistics.exchange import exchange_p, exchanged


def draw(rng: np.random.Generator, *, effect: float, groups: int = 12, each: int = 4) -> np.ndarray:
    """Draw differences of 6 seeds and prompts that are dependent within groups."""
    shared = np.repeat(rng.normal(size=groups), each)
    return effect + shared + rng.normal(size=(6, groups * each))


def test_size_by_groups_and_not_by_prompts() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(12), 4)
    runs = [draw(rng, effect=0.0) for _ in range(400)]
    grouped = np.mean([exchange_p(d, codes, rng, draws=99) <= 0.05 for d in runs])
    assert 0.02 <= grouped <= 0.085  # 99.9 % binomial band around 0.05
    alone = np.mean([exchange_p(d, range(48), rng, draws=99) <= 0.05 for d in runs])
    assert alone > 0.2


def test_an_effect_is_found() -> None:
    rng = np.random.default_rng(1)
    p = exchange_p(draw(rng, effect=1.5), np.repeat(np.arange(12), 4), rng, draws=999)
    assert p < 0.01


def test_groups_are_exchanged_whole_and_half_of_the_time() -> None:
    flags = exchanged(["a", "b", "a"], np.random.default_rng(2), draws=2000)
    assert (flags[:, 0] == flags[:, 2]).all()
    assert abs(flags[:, :2].mean() - 0.5) < 0.05
    assert (flags[:, 0] != flags[:, 1]).any()
