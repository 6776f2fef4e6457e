"""The bound of a race holds for all seeds and looks simultaneously; single intervals do not."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.arrays import Floats
from analysis.statistics.racing import (
    Look,
    Plan,
    RaceResult,
    plan_race,
    run_race,
    uniform_error,
)
from analysis.statistics.reliability import golden_by_expected_error
from analysis.study_tools.race_units import bundle_numbers, cut_units, unit_values
from tests.analysis.synthetic import ColourKid

SEEDS, GROUPS, EACH, TOP, ERROR = 24, 24, 3, 6, 0.1
RUNS = 2000
HIGHEST = float(stats.binom(RUNS, ERROR).ppf(0.9995)) / RUNS
"""Highest error rate of an exact method, one-sided, in 99.95 % of all simulations."""


def grid(rng: np.random.Generator, effects: Floats) -> Floats:
    """Values (S, G, m) of seeds crossed with grouped prompts, with seed x group interaction."""
    s, g, m = len(effects), GROUPS, EACH
    parts = [(1, g, 1), (1, g, m), (s, g, 1), (s, g, m)]
    noise = [rng.standard_normal(shape) for shape in parts]
    return np.asarray(effects[:, None, None] + 2 * noise[0] + noise[1] + noise[2] + noise[3])


def race(
    table: Floats, plan: Plan, rng: np.random.Generator, bundles: NDArray[np.intp] | None = None
) -> RaceResult:
    return run_race(plan, lambda seeds, units: table[seeds, units.start : units.stop], rng, bundles)


def naive_holds(values: Floats, effects: Floats, plan: Plan) -> bool:
    """The negative control: prompts taken as independent, and each interval at 95 % on its own."""
    for look in plan.looks:
        seen = values[:, : look.units].reshape(len(values), -1)
        seen = seen - seen.mean(axis=0)
        half = 1.96 * seen.std(axis=1, ddof=1) / np.sqrt(seen.shape[1])
        if (np.abs(seen.mean(axis=1) - effects + effects.mean()) > half).any():
            return False
    return True


def test_the_bound_holds_over_all_seeds_and_looks_and_the_naive_one_does_not() -> None:
    rng = np.random.default_rng(1)
    plan = plan_race(SEEDS, GROUPS, top=TOP, budget=0.7, error=ERROR)
    assert len(plan.looks) == 4
    covered = wrong = naive = named = 0
    for _ in range(RUNS):
        effects = np.where(np.arange(SEEDS) < 3, 4.0, 0.0) + 0.4 * rng.standard_normal(SEEDS)
        values = grid(rng, effects)
        result = race(values.mean(axis=2), plan, rng)
        truth = effects - effects[result.panel].mean()
        covered += bool(((result.low <= truth) & (truth <= result.high)).all())
        true = set(np.argsort(-effects)[:TOP].tolist())
        certain = set(np.flatnonzero(result.certain).tolist())
        wrong += bool(certain - true)
        named += len(certain)
        naive += naive_holds(values, effects, plan)
    assert 1 - covered / RUNS <= HIGHEST
    assert wrong / RUNS <= HIGHEST
    assert named / RUNS > 0.5  # a bound that names no seed would hold too
    assert 1 - naive / RUNS > HIGHEST


def test_a_race_beats_an_even_spread_and_both_stay_below_the_truth() -> None:
    rng = np.random.default_rng(2)
    seeds, units, top = 256, 40, 64
    plan = plan_race(seeds, units, top=top, budget=0.2)
    assert plan.cost <= 0.2 * seeds * units
    shared: dict[str, list[float]] = {"race": [], "even": [], "full": []}
    sure, wrong = 0, 0
    for _ in range(30):
        effects = rng.standard_normal(seeds)
        noise = np.sqrt(units / 9) * rng.standard_normal((seeds, units))
        table = effects[:, None] + noise + 5 * rng.standard_normal(units)
        true = np.argsort(-effects)[:top]
        result = race(table, plan, rng)
        assert result.drawn <= plan.cost
        lists = {
            "race": result.listed,
            "even": np.argsort(-table[:, :8].mean(axis=1))[:top],
            "full": np.argsort(-table.mean(axis=1))[:top],
        }
        kept = golden_by_expected_error(result.probability(rng), limit=0.1)
        sure, wrong = sure + len(kept), wrong + len(np.setdiff1d(kept, true))
        for name, listed in lists.items():
            shared[name].append(len(np.intersect1d(listed, true)) / top)
    race_, even, full = (float(np.mean(shared[name])) for name in ("race", "even", "full"))
    assert even + 0.02 < race_ < full
    # A list with an expected error of 10 % has that error; the whole list has a larger one.
    assert sure > 150
    assert wrong / sure == pytest.approx(0.1, abs=0.05)
    assert 1 - race_ > 0.14
    # The expected errors of the race and of an even spread equal the errors that occur.
    expected = 1 - result.probability(rng)[result.listed].mean()
    assert expected == pytest.approx(1 - race_, abs=0.06)
    assert uniform_error(result, rng) == pytest.approx(1 - even, abs=0.06)


def test_the_same_observations_give_the_same_race_and_nothing_is_requested_twice() -> None:
    rng = np.random.default_rng(3)
    table, plan = rng.standard_normal((32, 40)), plan_race(32, 40, top=8, budget=0.5)
    requests = np.zeros(table.shape)

    def see(seeds: NDArray[np.intp], units: range) -> Floats:
        requests[seeds, units.start : units.stop] += 1
        return np.asarray(table[seeds, units.start : units.stop])

    first = run_race(plan, see, np.random.default_rng(9))
    assert requests.max() == 1
    assert requests.sum() == first.drawn <= plan.cost
    again = race(table, plan, np.random.default_rng(9))
    assert np.array_equal(first.listed, again.listed)
    assert np.array_equal(first.low, again.low)
    # Values that were not drawn have no influence.
    hidden = np.where(requests > 0, table, 1e9)
    assert np.array_equal(race(hidden, plan, np.random.default_rng(9)).listed, first.listed)


def test_seeds_that_tie_are_all_listed() -> None:
    plan = Plan(8, 2, 8, 0.1, (Look(8, 4),))
    result = race(np.zeros((8, 4)), plan, np.random.default_rng(0))
    assert len(result.listed) == 8
    assert not result.certain.any()


@pytest.mark.parametrize("least", [1, 3, 8])
def test_the_first_units_cover_all_groups_and_bundles_share_none(least: int) -> None:
    groups = [f"g{i % 37}" for i in range(300)] + ["alone", "g0", "g0", "g0"]
    order = np.random.default_rng(1).permutation(sorted(set(groups))).tolist()
    units = cut_units(groups, least, order, least_groups=2)
    assert np.array_equal(np.sort(np.concatenate(units)), np.arange(len(groups)))
    inside = [{groups[i] for i in unit} for unit in units]
    assert all(len(unit) >= least for unit in units)
    assert all(len(members) >= 2 for members in inside)
    numbers = bundle_numbers(inside)
    bundles = [
        {group for members, k in zip(inside, numbers, strict=True) if k == n for group in members}
        for n in range(numbers.max() + 1)
    ]
    assert len(bundles) >= 10
    assert sum(map(len, bundles)) == len(set(groups))
    assert set.union(*inside[: len(bundles)]) >= set.union(*bundles[:-1])  # the rest joins the last
    assert numbers[: len(bundles)].tolist() == list(range(len(bundles)))


def test_no_prompts_make_no_units() -> None:
    assert cut_units([], 2, []) == []


def test_if_each_prompt_is_a_group_a_bundle_is_a_unit() -> None:
    units = cut_units([f"g{i}" for i in range(100)], 8, [f"g{i}" for i in range(100)])
    assert [len(unit) for unit in units] == [8] * 11 + [12]
    assert bundle_numbers([{str(i) for i in unit} for unit in units]).tolist() == list(range(12))


def test_with_seed_by_group_effects_bounds_by_bundles_hold_and_bounds_by_units_do_not() -> None:
    rng, draws, held = np.random.default_rng(4), 60, {True: 0, False: 0}
    bundles = np.tile(np.arange(10), 6)
    plan = plan_race(16, 60, top=4, budget=0.9)
    for _ in range(draws):
        interaction = rng.standard_normal((16, 10))[:, bundles]  # no seed is better on average
        table = interaction + 0.3 * rng.standard_normal((16, 60))
        for by_bundles, labels in ((True, bundles), (False, None)):
            result = race(table, plan, np.random.default_rng(5), labels)
            held[by_bundles] += bool(((result.low <= 0) & (result.high >= 0)).all())
    assert held[True] >= 0.9 * draws - 3 * np.sqrt(0.09 * draws)
    assert held[False] < 0.5 * draws


def test_the_expected_error_of_a_list_is_right_by_bundles_and_too_small_by_units() -> None:
    rng, draws = np.random.default_rng(4), 40
    bundles = np.tile(np.arange(10), 8)
    plan = plan_race(128, 80, top=32, budget=0.5)
    expected: dict[bool, list[float]] = {True: [], False: []}
    true: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(draws):
        effects = 0.7 * rng.standard_normal(128)
        table = effects[:, None] + 2 * rng.standard_normal((128, 10))[:, bundles]
        table += 2 * rng.standard_normal((128, 80))
        best = set(np.argsort(-effects)[:32].tolist())
        for by_bundles, labels in ((True, bundles), (False, None)):
            result = race(table, plan, np.random.default_rng(5), labels)
            probability = result.probability(np.random.default_rng(6))
            expected[by_bundles].append(1 - float(probability[result.listed].mean()))
            true[by_bundles].append(1 - len(best & set(result.listed.tolist())) / 32)
    assert np.mean(expected[True]) == pytest.approx(np.mean(true[True]), abs=0.06)
    assert np.mean(expected[False]) < np.mean(true[False]) - 0.08


def test_a_kernel_distance_of_a_unit_is_unbiased_only_without_pairs_within_groups() -> None:
    rng, metric = np.random.default_rng(6), ColourKid()
    need = metric.needs[0]

    def images(groups: int, each: int) -> Floats:
        centres = 0.5 + 0.2 * rng.standard_normal((1, groups, 1, 3))
        noise = 0.05 * rng.standard_normal((1, groups, each, 3))
        return np.asarray((centres + noise).reshape(1, groups * each, 3))

    truth = float(metric.values(metric.prepare({need: images(3000, 1)}))[0])
    groups = [f"g{i // 4}" for i in range(4000)]
    units = [np.arange(first, first + 8) for first in range(0, 4000, 8)]
    drawn = {need: images(1000, 4)}
    values = -unit_values(metric, drawn, groups, units)[0]
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert len(values) == 500
    assert abs(values.mean() - truth) < 4 * error
    prepared = metric.prepare(drawn)
    whole = [float(metric.values([array[:, u] for array in prepared])[0]) for u in units]
    assert abs(np.mean(whole) - truth) > 8 * error
    with pytest.raises(ValueError, match="a unit of one group"):
        unit_values(metric, drawn, groups, [np.arange(4)])


def test_a_race_that_is_too_small_is_refused_with_what_is_needed() -> None:
    with pytest.raises(ValueError, match="at least 5% is needed"):
        plan_race(64, 40, top=16, budget=0.02)
    with pytest.raises(ValueError, match="out of range"):
        plan_race(64, 40, top=64, budget=0.5)
