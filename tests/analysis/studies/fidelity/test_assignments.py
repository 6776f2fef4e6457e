"""What a pool draws, averaged over assignments: against all assignments, one by one."""

import itertools
from typing import ClassVar

import numpy as np
import pytest

from analysis.cells.cells import Sample
from analysis.metrics.base import Metric
from analysis.metrics.frechet import FrechetPerceptual
from analysis.metrics.kid import KidPerceptual
from analysis.ranking.joint_rule import Judged, in_company
from analysis.statistics.arrays import Floats
from analysis.statistics.monte_carlo import p_value
from analysis.studies.fidelity.assignments import ASSIGNMENTS, Assignments
from analysis.studies.fidelity.random_sets import against_random, words
from pipeline.prompts.prompt_sets import Prompt
from tests.analysis.planted import Distance, Score


class Kid(KidPerceptual):
    needs: ClassVar[tuple[str, ...]] = ("appearance.embedding",)
    reference: ClassVar[Floats] = np.random.default_rng(0).normal(size=(60, 3))


class Frechet(FrechetPerceptual):
    needs: ClassVar[tuple[str, ...]] = Kid.needs
    reference: ClassVar[Floats] = Kid.reference


def judged(metric: Metric, values: np.ndarray, groups: int = 4) -> Judged:
    prompts = tuple(
        Prompt(f"thing {i}", object=f"object {i % groups}") for i in range(values.shape[1])
    )
    seeds = tuple(range(len(values)))
    return in_company([metric], [Sample(seeds, prompts, {metric.needs[0]: values})])[0]


def embeddings(seeds: int, prompts: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    away = np.linspace(0, 1, seeds)[:, None, None]
    return rng.normal(size=(seeds, prompts, 3)) * (1 + away) + away


def every_assignment(pools: Assignments, pool: np.ndarray) -> np.ndarray:
    """The metric under all k^P assignments."""
    n = pools.judged.sample.n
    return pools.of_owners(np.array(list(itertools.product(pool, repeat=n))))


@pytest.mark.parametrize("pool", [[0, 3], [1, 2, 4]])
def test_the_average_is_that_of_all_assignments(pool: list[int]) -> None:
    for metric, values in (
        (Kid(), embeddings(5, 6)),
        (Score(), np.random.default_rng(2).normal(size=(5, 6))),
    ):
        pools = Assignments(judged(metric, values), 0)
        (average,), (error,) = pools.averages(np.array([pool]))
        every = every_assignment(pools, np.array(pool))
        assert average == pytest.approx(every.mean(), rel=1e-10)
        assert error == 0
        assert pools.count is None
        assert every.std() > 1e-3  # a single assignment gives another value


def test_without_a_formula_assignments_are_sampled_with_their_error() -> None:
    pools = Assignments(judged(Frechet(), embeddings(5, 12)), 7)
    (average,), (error,) = pools.averages(np.array([[0, 3]]))
    every = every_assignment(pools, np.array([0, 3]))
    assert pools.count == ASSIGNMENTS
    assert error == pytest.approx(every.std() / np.sqrt(ASSIGNMENTS), rel=0.6)
    assert abs(average - every.mean()) < 4 * error
    again = Assignments(pools.judged, 7).averages(np.array([[0, 3]]))[0][0]
    assert again == average


@pytest.mark.parametrize("metric", [Kid(), Frechet(), Score(), Distance()])
def test_the_interval_lies_around_the_average(metric: Metric) -> None:
    values = embeddings(8, 40) if metric.needs == Kid.needs else embeddings(8, 40)[..., 0]
    pools = Assignments(judged(metric, values, groups=10), 0)
    pool = np.array([1, 4, 5])
    interval = pools.interval(pool)
    assert interval.low < interval.value < interval.high
    assert interval.value == pools.averages(pool[None])[0][0]


def test_p_does_not_hang_on_one_assignment() -> None:
    """The case: a gain whose p was anything between .003 and .14, by the assignment alone."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 40))
    golden = list(range(30))
    values[golden] += 0.25
    pools = Assignments(judged(Score(), values, groups=20), 0)
    sets = np.array([rng.permutation(200)[:30] for _ in range(400)])
    single = []
    for _ in range(40):
        turns = rng.integers(30, size=40)
        value = pools.of_owners(np.array(golden)[turns][None])[0]
        single.append(p_value(pools.of_owners(sets[:, turns]), value))
    assert max(single) > 20 * min(single)
    found = [
        against_random("this run", pools, golden, 400, np.random.default_rng(i))["p"]
        for i in range(5)
    ]
    assert found == [1 / 401] * 5


def test_the_row_says_how_it_was_averaged() -> None:
    rng = np.random.default_rng(4)
    score = Assignments(judged(Score(), rng.normal(size=(12, 40)), groups=10), 0)
    row = against_random("this run", score, [0, 1, 2], 300, rng)
    assert (row["assignments"], row["sets"]) == (None, 300)
    assert "average over all assignments)" in words(row)
    distance = Assignments(judged(Distance(), rng.normal(size=(12, 40)), groups=10), 0)
    row = against_random("this run", distance, [0, 1, 2], 300, rng)
    assert (row["assignments"], row["sets"]) == (ASSIGNMENTS, 200)
    assert f"average over {ASSIGNMENTS} assignments +- " in words(row)
    assert row["golden_low"] < row["golden"] < row["golden_high"]


def test_a_pool_of_many_images_is_evaluated_in_parts() -> None:
    values = np.random.default_rng(2).normal(size=(7, 40))
    owners = np.random.default_rng(3).integers(7, size=(2, 40))
    wanted = [np.mean(values[own, np.arange(40)]) for own in owners]
    pools = Assignments(judged(Score(), values), 0)
    found = pools.of_owners(np.tile(owners, (9, 1)))  # more than at once
    np.testing.assert_allclose(found, np.tile(wanted, 9), rtol=1e-12)
