"""An interaction of seeds and prompt groups is no effect of seeds, and seed effects are found.

A seed may be good for horses and bad for bowls. The null keeps that, so that without any effect
that a seed has on all groups, the gap, the share and the lists raise false alarms as often as
stated. A null that permutes within each prompt fails the same test.
"""

import numpy as np
import pytest
from scipy import stats

from analysis.cells.cells import Sample
from analysis.ranking.confirmation import End, gap_beside_null, seed_list
from analysis.ranking.rank import permuted_draws
from analysis.statistics.seed_shares import compare_with_null
from analysis.statistics.variance import seed_share
from pipeline.prompts.prompt_sets import Prompt
from tests.analysis.planted import NEED, Score

SEEDS, EACH, DRAWS = 32, 4, 200
TESTS = ("gap", "share", "golden", "bad")


def two_sets(
    rng: np.random.Generator, *, interaction: float, seed: float = 0.0, groups: int = 12
) -> list[Sample]:
    """Draw two sets of the same groups, with these shares of the variance; the rest is noise."""
    effect = np.sqrt(seed) * rng.normal(size=(SEEDS, 1))
    of_groups = np.sqrt(interaction) * rng.normal(size=(SEEDS, groups))
    codes = np.repeat(np.arange(groups), EACH)
    noise = np.sqrt(1 - interaction - seed) * rng.normal(size=(2, SEEDS, len(codes)))
    values = effect + of_groups[:, codes] + noise
    return [
        Sample(
            tuple(range(SEEDS)),
            tuple(
                Prompt(f"thing {i} of set {number}", object=f"object {group}")
                for i, group in enumerate(codes)
            ),
            {NEED: values[number]},
        )
        for number in range(2)
    ]


def ungrouped(samples: list[Sample]) -> list[Sample]:
    """The same numbers, as if each prompt were a group of its own: the old null."""
    return [Sample(s.seeds, tuple(Prompt(p.text) for p in s.prompts), s.columns) for s in samples]


def p_values(samples: list[Sample], null_of: list[Sample], rng: np.random.Generator) -> list[float]:
    """The p-values of `TESTS`, with the groups of `null_of`."""
    metric = Score()
    prepared = [metric.prepare(sample.columns) for sample in samples]
    values = [metric.values(arrays) for arrays in prepared]
    draws, list_draws = permuted_draws(metric, prepared, null_of, values, DRAWS, rng)
    ends = (End("higher", "top", 0.25, ""), End("lower", "bottom", 0.25, ""))
    lists = [seed_list(samples[1].seeds, values, list_draws, end).null_p for end in ends]
    both = np.hstack([sample.columns[NEED] for sample in samples])
    groups = np.concatenate([sample.groups for sample in null_of])
    share = compare_with_null(seed_share(both, groups), both, groups, rng, draws=DRAWS)
    return [gap_beside_null(values[1], draws.set2).p, share.p, *lists]


def alarms(repetitions: int, *, old: bool = False, **effects: float) -> dict[str, float]:
    """How often each test has p <= 0.05."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(repetitions):
        samples = two_sets(rng, **effects)
        found.append(p_values(samples, ungrouped(samples) if old else samples, rng))
    return dict(zip(TESTS, (np.array(found) <= 0.05).mean(axis=0).tolist(), strict=True))


def most(repetitions: int) -> float:
    """The largest rate that an exact test at 5 % shows in 99.9 % of such simulations."""
    return float(stats.binom(repetitions, 0.05).ppf(0.999)) / repetitions


def test_an_interaction_alone_raises_no_more_alarms_than_stated() -> None:
    rates = alarms(200, interaction=0.14)
    assert max(rates.values()) <= most(200), rates
    old = alarms(60, interaction=0.14, old=True)
    assert min(old.values()) > most(200), old


def test_without_any_effect_the_rate_is_that_stated() -> None:
    rates = alarms(200, interaction=0.0)
    assert max(rates.values()) <= most(200), rates
    assert rates["gap"] > 0.01


def test_effects_of_seeds_are_found() -> None:
    rates = alarms(30, interaction=0.06, seed=0.15)
    assert rates["share"] > 0.9, rates
    assert rates["gap"] > 0.9, rates
    assert min(rates.values()) > 0.6, rates


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("interaction", [0.06, 0.14])
@pytest.mark.parametrize("groups", [6, 24])
def test_the_rate_over_1000_repetitions(interaction: float, groups: int) -> None:
    rates = alarms(1000, interaction=interaction, groups=groups)
    assert max(rates.values()) <= most(1000), rates
