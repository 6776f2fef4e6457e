"""The bound of a race holds over all seeds and looks at once; single intervals do not."""

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
"""What an exact method reaches at most, in 99.9 % of all simulations (one side)."""


def grid(rng: np.random.Generator, effects: Floats) -> Floats:
    """Crossed seeds and prompts in groups: (S, G, m); a seed likes or dislikes whole groups."""
    s, g, m = len(effects), GROUPS, EACH
    parts = [(1, g, 1), (1, g, m), (s, g, 1), (s, g, m)]
    noise = [rng.standard_normal(shape) for shape in parts]
    return np.asarray(effects[:, None, None] + 2 * noise[0] + noise[1] + noise[2] + noise[3])


def race(
    table: Floats, plan: Plan, rng: np.random.Generator, bundles: NDArray[np.intp] | None = None
) -> RaceResult:
    return run_race(plan, lambda seeds, units: table[seeds, units.start : units.stop], rng, bundles)


def naive_holds(values: Floats, effects: Floats, plan: Plan) -> bool:
    """The negative control: prompts as if independent, and every interval at 95 % for itself."""
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
        found = race(values.mean(axis=2), plan, rng)
        truth = effects - effects[found.panel].mean()
        covered += bool(((found.low <= truth) & (truth <= found.high)).all())
        true = set(np.argsort(-effects)[:TOP].tolist())
        certain = set(np.flatnonzero(found.certain).tolist())
        wrong += bool(certain - true)
        named += len(certain)
        naive += naive_holds(values, effects, plan)
    assert 1 - covered / RUNS <= HIGHEST
    assert wrong / RUNS <= HIGHEST
    assert named / RUNS > 0.5  # a bound that names nobody would hold, too
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
        found = race(table, plan, rng)
        assert found.drawn <= plan.cost
        lists = {
            "race": found.listed,
            "even": np.argsort(-table[:, :8].mean(axis=1))[:top],
            "full": np.argsort(-table.mean(axis=1))[:top],
        }
        kept = golden_by_expected_error(found.probability(rng), limit=0.1)
        sure, wrong = sure + len(kept), wrong + len(np.setdiff1d(kept, true))
        for name, own in lists.items():
            shared[name].append(len(np.intersect1d(own, true)) / top)
    race_, even, full = (float(np.mean(shared[name])) for name in ("race", "even", "full"))
    assert even + 0.02 < race_ < full
    # A list said to hold 10 % of wrong seeds does so; the whole list would hold many more.
    assert sure > 150
    assert wrong / sure == pytest.approx(0.1, abs=0.05)
    assert 1 - race_ > 0.14
    # What the race expects of itself, and of an even spread, is what comes out.
    expected = 1 - found.probability(rng)[found.listed].mean()
    assert expected == pytest.approx(1 - race_, abs=0.06)
    assert uniform_error(found, rng) == pytest.approx(1 - even, abs=0.06)


def test_the_same_observations_give_the_same_race_and_nothing_is_asked_twice() -> None:
    rng = np.random.default_rng(3)
    table, plan = rng.standard_normal((32, 40)), plan_race(32, 40, top=8, budget=0.5)
    asked = np.zeros(table.shape)

    def see(seeds: NDArray[np.intp], units: range) -> Floats:
        asked[seeds, units.start : units.stop] += 1
        return np.asarray(table[seeds, units.start : units.stop])

    first = run_race(plan, see, np.random.default_rng(9))
    assert asked.max() == 1
    assert asked.sum() == first.drawn <= plan.cost
    again = race(table, plan, np.random.default_rng(9))
    assert np.array_equal(first.listed, again.listed)
    assert np.array_equal(first.low, again.low)
    # What was not drawn has no part in it.
    hidden = np.where(asked > 0, table, 1e9)
    assert np.array_equal(race(hidden, plan, np.random.default_rng(9)).listed, first.listed)


def test_equal_seeds_are_listed_whole() -> None:
    plan = Plan(8, 2, 8, 0.1, (Look(8, 4),))
    found = race(np.zeros((8, 4)), plan, np.random.default_rng(0))
    assert len(found.listed) == 8
    assert not found.certain.any()


@pytest.mark.parametrize("least", [1, 3, 8])
def test_units_know_all_groups_early_and_bundles_share_none(least: int) -> None:
    groups = [f"g{i % 37}" for i in range(300)] + ["alone", "g0", "g0", "g0"]
    order = np.random.default_rng(1).permutation(sorted(set(groups))).tolist()
    units = cut_units(groups, least, order, least_groups=2)
    assert np.array_equal(np.sort(np.concatenate(units)), np.arange(len(groups)))
    inside = [{groups[i] for i in one} for one in units]
    assert all(len(one) >= least and len(own) >= 2 for one, own in zip(units, inside, strict=True))
    numbers = bundle_numbers(inside)
    bundles = [
        {group for own, at in zip(inside, numbers, strict=True) if at == n for group in own}
        for n in range(numbers.max() + 1)
    ]
    assert len(bundles) >= 10
    assert sum(map(len, bundles)) == len(set(groups))
    assert set.union(*inside[: len(bundles)]) >= set.union(*bundles[:-1])  # the rest joins the last
    assert numbers[: len(bundles)].tolist() == list(range(len(bundles)))


def test_no_prompts_make_no_units() -> None:
    assert cut_units([], 2, []) == []


def test_where_every_prompt_is_a_group_a_bundle_is_a_unit() -> None:
    units = cut_units([f"g{i}" for i in range(100)], 8, [f"g{i}" for i in range(100)])
    assert [len(unit) for unit in units] == [8] * 11 + [12]
    assert bundle_numbers([{str(i) for i in unit} for unit in units]).tolist() == list(range(12))


def test_bounds_by_bundles_hold_where_seeds_suit_some_groups_and_those_by_units_do_not() -> None:
    rng, draws, held = np.random.default_rng(4), 60, {True: 0, False: 0}
    bundles = np.tile(np.arange(10), 6)
    plan = plan_race(16, 60, top=4, budget=0.9)
    for _ in range(draws):
        suits = rng.standard_normal((16, 10))[:, bundles]  # no seed is better over all groups
        table = suits + 0.3 * rng.standard_normal((16, 60))
        for by_bundles, labels in ((True, bundles), (False, None)):
            found = race(table, plan, np.random.default_rng(5), labels)
            held[by_bundles] += bool(((found.low <= 0) & (found.high >= 0)).all())
    assert held[True] >= 0.9 * draws - 3 * np.sqrt(0.09 * draws)
    assert held[False] < 0.5 * draws


def test_the_error_that_a_list_tells_is_its_own_by_bundles_and_too_small_by_units() -> None:
    rng, draws = np.random.default_rng(4), 40
    bundles = np.tile(np.arange(10), 8)
    plan = plan_race(128, 80, top=32, budget=0.5)
    told: dict[bool, list[float]] = {True: [], False: []}
    true: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(draws):
        effects = 0.7 * rng.standard_normal(128)
        table = effects[:, None] + 2 * rng.standard_normal((128, 10))[:, bundles]
        table += 2 * rng.standard_normal((128, 80))
        best = set(np.argsort(-effects)[:32].tolist())
        for by_bundles, labels in ((True, bundles), (False, None)):
            found = race(table, plan, np.random.default_rng(5), labels)
            probability = found.probability(np.random.default_rng(6))
            told[by_bundles].append(1 - float(probability[found.listed].mean()))
            true[by_bundles].append(1 - len(best & set(found.listed.tolist())) / 32)
    assert np.mean(told[True]) == pytest.approx(np.mean(true[True]), abs=0.06)
    assert np.mean(told[False]) < np.mean(true[False]) - 0.08


def test_units_of_a_kernel_distance_are_unbiased_and_whole_units_are_not() -> None:
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
    found = -unit_values(metric, drawn, groups, units)[0]
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert len(found) == 500
    assert abs(found.mean() - truth) < 4 * error
    prepared = metric.prepare(drawn)
    whole = [float(metric.values([array[:, u] for array in prepared])[0]) for u in units]
    assert abs(np.mean(whole) - truth) > 8 * error
    with pytest.raises(ValueError, match="a unit of one group"):
        unit_values(metric, drawn, groups, [np.arange(4)])


def test_what_cannot_be_raced_is_refused_with_what_is_needed() -> None:
    with pytest.raises(ValueError, match="at least 5% is needed"):
        plan_race(64, 40, top=16, budget=0.02)
    with pytest.raises(ValueError, match="out of range"):
        plan_race(64, 40, top=64, budget=0.5)
