"""When a list may stand: reliability, the weight of a group, ties, values that are no numbers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.ranking.confirmation import Draws, End
from analysis.ranking.groups import cap_groups, carried_words, carrying_groups, largest_size
from analysis.ranking.rank import rank_samples
from analysis.ranking.result import Ranking
from analysis.statistics.arrays import Floats
from pipeline.errors import RunError
from tests.analysis.planted import NEED, Score, sample

IDENTITY = ("0123456789abcdef", "fedcba9876543210", "00112233445566ff")
SEEDS = 32
PERMUTATIONS = 400
"""Fewer than a mean of one number has by default: what is tested here are rates over many runs."""


def ranked(samples: list[Sample], *, share: float = 0.25) -> Ranking:
    return rank_samples(Score(), samples, IDENTITY, share=share, permutations=PERMUTATIONS)


def by_old_rule(ranking: Ranking) -> bool:
    """Whether the counts alone would name seeds, as version 1 of the rule did."""
    return min(ranking.golden.unrelated_p, ranking.bad.unrelated_p) <= 0.05


def named(ranking: Ranking) -> bool:
    return bool(ranking.golden.seeds or ranking.bad.seeds or ranking.strict_golden)


def two_sets(values: list[Floats], codes: list[NDArray[np.intp]]) -> list[Sample]:
    first = [0, len(codes[0])]
    return [sample(v, c, first=n) for v, c, n in zip(values, codes, first, strict=True)]


def interaction(
    sizes: list[int], *, main: float, within: float, rng: np.random.Generator
) -> list[Sample]:
    """Seeds with a main effect, and with an effect on each group that both sets share."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    effects = within * rng.normal(size=(SEEDS, len(sizes)))[:, codes]
    seeds = main * rng.normal(size=(SEEDS, 1))
    values = [seeds + effects + rng.normal(size=effects.shape) for _ in range(2)]
    return two_sets(values, [codes, codes])


ONE_OBJECT = [36, *[1] * 12]
"""One object in 75 % of the prompts, and 12 others."""


def test_one_object_in_three_quarters_of_the_prompts_confirms_no_list() -> None:
    rng, repeats = np.random.default_rng(1), 40
    runs = [ranked(interaction(ONE_OBJECT, main=0.0, within=0.7, rng=rng)) for _ in range(repeats)]
    assert sum(map(named, runs)) <= 0.05 * repeats + 4
    for result in runs:
        assert "Set 1 is mostly about 'object 0' (36 prompts)" in result.warnings[0]
        assert "No prompt group may weigh more than 25%, so 4 prompts" in result.warnings[0]
        assert (result.n_set1, result.n_set2) == (16, 16)
    # The negative control: all prompts, and the counts alone.
    samples = [interaction(ONE_OBJECT, main=0.0, within=0.7, rng=rng) for _ in range(20)]
    fooled = 0
    for first, second in samples:
        tops = [set(np.argsort(-s.columns[NEED].mean(axis=1))[:8]) for s in (first, second)]
        fooled += len(tops[0] & tops[1]) >= 5
    assert fooled >= 15


def test_seeds_good_for_one_object_alone_are_not_golden() -> None:
    """Six seeds are good at 9 of 191 prompts; nothing else differs."""
    rng, old = np.random.default_rng(2), 0
    codes = np.concatenate([np.zeros(9, np.intp), 1 + np.arange(182) % 26])
    for _ in range(10):
        effect = np.zeros((SEEDS, len(codes)))
        effect[:6, codes == 0] = 12.0
        values = [effect + rng.normal(size=effect.shape) for _ in range(2)]
        result = ranked(two_sets(values, [codes, codes]))
        old += by_old_rule(result)
        assert not named(result)
        assert result.reliability.low <= 0
        if result.golden.null_p <= 0.05:
            assert "But the list is withheld: halves without" in result.golden.verdict
            assert "the lower end must be above 0" in result.golden.withheld
            assert result.belief.startswith("Which to believe: the reliability.")
            assert "they share 27 of 27 prompt groups" in result.belief
    assert old >= 8  # the negative control


def test_a_main_effect_is_still_found() -> None:
    rng = np.random.default_rng(3)
    for sizes in ([2] * 24, ONE_OBJECT):
        runs = [ranked(interaction(sizes, main=0.8, within=0.2, rng=rng)) for _ in range(10)]
        assert sum(map(named, runs)) >= 9
        assert all(result.belief == "" for result in runs if result.golden.confirmed)


def test_what_seeds_do_to_single_objects_makes_no_list() -> None:
    """No main effect: each seed is good for some of the 20 objects, in both sets."""
    rng, repeats = np.random.default_rng(4), 100
    runs = [ranked(interaction([2] * 20, main=0.0, within=0.7, rng=rng)) for _ in range(repeats)]
    assert sum(map(named, runs)) <= 5
    assert sum(map(by_old_rule, runs)) >= 15  # the negative control: the counts alone


def test_a_group_without_which_a_list_falls_is_named() -> None:
    rng = np.random.default_rng(5)
    codes, metric = np.repeat(np.arange(12), 4), Score()
    noise = [rng.normal(size=(SEEDS, 48)) for _ in range(2)]
    end = End("higher", "top", 0.25, "")
    draws = Draws(*(each.mean(axis=1) + rng.normal(size=(400, SEEDS)) / 7 for each in noise))
    for effect, carrying in ((np.where(codes == 3, 6.0, 0.0), ["object 3"]), (np.ones(48), [])):
        values = [np.where(np.arange(SEEDS)[:, None] < 8, effect, 0.0) + each for each in noise]
        samples = two_sets(values, [codes, codes])
        prepared = [metric.prepare(each.columns) for each in samples]
        assert carrying_groups(metric, prepared, samples, end.confirming(draws)) == carrying
    assert carried_words("Golden seeds", []) == ""
    words = carried_words("Golden seeds", list("abcde"))
    assert words.startswith("Golden seeds: leaving out any one of 5 prompt groups ('a', 'b', 'c'")
    assert "and 2 more" in words


@pytest.mark.parametrize(
    ("sizes", "most"),
    [([5] * 4, 5), ([30, 2, 2, 2], 2), ([75, *[1] * 25], 8), ([3, 2, 2, 2, 2], 2), ([9, 9], 9)],
)
def test_no_group_weighs_more_than_a_quarter(sizes: list[int], most: int) -> None:
    assert largest_size(np.array(sizes)) == most
    codes = np.repeat(np.arange(len(sizes)), sizes)
    values = np.arange(8.0 * len(codes)).reshape(8, -1)
    cut, words = cap_groups(sample(values, codes), 2)
    weights = np.unique(cut.groups, return_counts=True)[1] / cut.n
    assert len(sizes) < 4 or weights.max() <= 0.25
    assert bool(words) == (cut.n < len(codes))
    for column, prompt in enumerate(cut.prompts):  # the values stay with their prompts
        where = sample(values, codes).prompts.index(prompt)
        np.testing.assert_array_equal(cut.columns[NEED][:, column], values[:, where])


def rare(rate: float, *, rng: np.random.Generator, prompts: int = 40) -> list[Sample]:
    codes = np.arange(prompts) % 10
    values = [(rng.random((SEEDS, prompts)) < rate).astype(float) for _ in range(2)]
    return two_sets(values, [codes, codes])


@pytest.mark.parametrize("rate", [0.0005, 0.002, 0.01, 0.03])
def test_rare_events_are_not_ranked(rate: float) -> None:
    rng = np.random.default_rng(6)
    old = 0
    for _ in range(10):
        result = ranked(rare(rate, rng=rng))
        for listed in (result.golden, result.bad):
            old = max(old, listed.chosen)
            assert len(listed.seeds) <= 10  # 8 places, and a quarter more
            if listed.chosen > 10:
                assert "cannot be ranked: too many ties (on set 1," in listed.verdict
                assert f"{listed.chosen} of 32 seeds tie for 8 places" in listed.verdict
                assert listed.seeds == ()
    assert old >= 20  # the negative control: what the counts alone would list


def test_a_tie_that_the_null_has_too_is_listed_whole() -> None:
    """Nine seeds tie for eight places in shares of many frequent events."""
    rng = np.random.default_rng(7)
    codes = np.arange(40) % 10
    rates = np.where(np.arange(SEEDS) < 9, 0.9, 0.3)[:, None]
    values = [(rng.random((SEEDS, 40)) < rates).astype(float) for _ in range(2)]
    for each in values:
        each[:9] = each[0]  # exactly equal shares
    result = ranked(two_sets(values, [codes, codes]))
    assert result.golden.chosen == 9
    assert set(result.golden.seeds) == set(range(9))


def test_rounding_errors_rank_nobody() -> None:
    rng = np.random.default_rng(8)
    codes = np.arange(24) % 8
    for level in (0.0, 0.3, 7.0):
        values = [level + 1e-16 * rng.normal(size=(SEEDS, 24)) for _ in range(2)]
        values[1] += 1e-16 * np.arange(SEEDS)[:, None]
        values[0] += 1e-16 * np.arange(SEEDS)[:, None]
        result = ranked(two_sets(values, [codes, codes]))
        assert not named(result)
        assert "32 of 32 seeds tie for 8 places" in result.golden.verdict


def test_few_groups_are_said_in_words() -> None:
    rng = np.random.default_rng(9)
    effect = np.arange(SEEDS)[:, None] * 1.0
    for codes in (np.arange(3), np.repeat(np.arange(3), [38, 2, 2])):
        values = [effect + rng.normal(size=(SEEDS, len(codes))) for _ in range(2)]
        result = ranked(two_sets(values, [codes, codes]))
        assert not named(result)
        assert "set 1 has 3 prompt groups, and without at least 4" in result.golden.withheld
        assert result.belief.startswith("Which to believe: the reliability.")


def test_not_a_number_is_refused_in_words() -> None:
    rng = np.random.default_rng(10)
    values = [rng.normal(size=(SEEDS, 24)) for _ in range(2)]
    values[1][5, 3] = np.nan
    codes = np.arange(24) % 8
    with pytest.raises(RunError, match=r"set 2: its value is not a finite number for 1 of 32"):
        ranked(two_sets(values, [codes, codes]))


def test_a_reliable_order_without_a_list_says_what_to_believe() -> None:
    rng, seen = np.random.default_rng(11), 0
    for _ in range(60):
        result = ranked(interaction([2] * 20, main=0.2, within=0.0, rng=rng))
        if result.reliability.low > 0 and min(result.golden.null_p, result.bad.null_p) > 0.05:
            assert result.belief.startswith("Which to believe: both.")
            seen += 1
    assert seen


def test_sets_without_a_common_group_disagree_by_chance() -> None:
    rng, seen = np.random.default_rng(12), 0
    for _ in range(80):
        seeds = 0.15 * rng.normal(size=(SEEDS, 1))
        values = [seeds + rng.normal(size=(SEEDS, 40)) for _ in range(2)]
        codes = np.repeat(np.arange(20), 2)
        result = ranked(two_sets(values, [codes, codes + 20]))
        if result.reliability.low <= 0 < result.rank_correlation.low:
            assert result.belief.startswith("Which to believe: neither alone.")
            seen += 1
    assert seen
