"""Test reliability and the number of prompts needed, with known answers."""

import numpy as np
import pytest

from analysis.cells.cells import Sample
from analysis.ranking.rank import rank_samples
from analysis.ranking.repeatability import (
    Needed,
    Repeatability,
    measured,
    prompts_needed,
    repeatability,
)
from analysis.statistics.intervals import Interval
from analysis.statistics.owners import permute_owners
from tests.analysis.planted import NEED, Distance, Score, sample, two_sets

IDENTITY = ("0123456789abcdef", "fedcba9876543210", "00112233445566ff")


def measure(samples: list[Sample], *, rng: np.random.Generator) -> Repeatability:
    metric = Distance()
    found = measured(metric, [metric.prepare(one.columns) for one in samples], samples, rng)
    assert found is not None
    return found


def spearman(r: float) -> float:
    """Spearman's correlation of two normal variables with correlation r."""
    return float(6 / np.pi * np.arcsin(r / 2))


def test_measured_reliability_is_the_true_one_at_both_sizes() -> None:
    rng = np.random.default_rng(1)
    spread, within, each = 0.2, 0.6, 4
    runs = [
        two_sets(rng=rng, spread=spread, within=within, groups=12, each=each) for _ in range(12)
    ]
    found = [measure(samples, rng=rng) for samples in runs]

    def truth(groups: int) -> float:
        noise = (within**2 + 1 / each) / groups
        return spearman(spread**2 / (spread**2 + noise))

    halves = [one.half for one in found if one.half is not None]
    assert {(one.full.n, half.n) for one, half in zip(found, halves, strict=True)} == {(48, 24)}
    assert np.mean([one.full.value for one in found]) == pytest.approx(truth(12), abs=0.05)
    assert np.mean([half.value for half in halves]) == pytest.approx(truth(6), abs=0.05)
    assert sum(one.full.low <= truth(12) <= one.full.high for one in found) >= 10
    # The negative control: halves that split groups seem more similar than they are.
    alone = np.arange(48)
    torn = [
        measure(
            [sample(one.columns[NEED], alone + 48 * i, first=48 * i) for i, one in enumerate(two)],
            rng=rng,
        )
        for two in runs
    ]
    assert np.mean([one.full.value for one in torn]) > truth(12) + 0.05


def test_permuted_owners_have_no_reliability() -> None:
    rng = np.random.default_rng(2)
    samples = two_sets(rng=rng, spread=1.0)
    assert measure(samples, rng=rng).full.low > 0.8
    for one in samples:
        one.columns[NEED][:] = permute_owners(one.columns[NEED], None, rng)
    found = measure(samples, rng=rng)
    assert found.full.low < 0 < found.full.high


def test_a_mean_takes_spearman_brown_and_a_distance_is_measured() -> None:
    rng = np.random.default_rng(3)
    samples = two_sets(rng=rng, spread=0.2)
    found = {}
    for metric in (Score(), Distance()):
        prepared = [metric.prepare(one.columns) for one in samples]
        found[type(metric)] = repeatability(metric, prepared, samples, rng)
    assert "Spearman-Brown" in found[Score].full.method
    assert found[Score].half is None
    assert "48 images per seed on each side" in found[Distance].full.method
    assert found[Distance].full.value == pytest.approx(found[Score].full.value, abs=0.1)


def test_too_few_groups_fall_back_to_the_two_sets_and_say_so() -> None:
    rng = np.random.default_rng(4)
    metric = Distance()
    samples = two_sets(rng=rng, spread=1.0, groups=4, each=1)
    prepared = [metric.prepare(one.columns) for one in samples]
    found = repeatability(metric, prepared, samples, rng)
    assert found.full.method.startswith("correlation between the two sets")
    assert found.half is None


def at(value: float, n: int) -> Interval:
    return Interval(value, 0.0, 1.0, n, "")


def needed(full: float, half: float | None) -> Needed:
    small = None if half is None else at(half, 50)
    return prompts_needed(Repeatability(at(full, 100), small), per_image_mean=False)


def test_needed_prompts_of_a_distance_have_known_answers() -> None:
    # n / (n + k) is 1/2 where n = k.
    assert needed(100 / 350, 50 / 300).prompts == 250
    assert "about 250 prompts per set" in needed(100 / 350, 50 / 300).words
    assert needed(100 / 500, 50 / 450).prompts == 400
    for full, half, why in [
        (100 / 510, 50 / 460, "more than 400 per set"),
        (0.02, -0.05, "more than 400 per set"),
        (-0.1, 0.1, "no repeatable difference between seeds was found"),
        (0.7, 0.5, "0.70 with 100 prompts already"),
        (0.3, None, "too few prompt groups"),
    ]:
        found = needed(full, half)
        assert found.prompts is None
        assert why in found.words
    # A mean has no such limit: Spearman-Brown holds at any length.
    mean = Repeatability(at(0.1, 100), None)
    assert prompts_needed(mean, per_image_mean=True).prompts == 900


def test_needed_prompts_are_what_a_larger_run_then_takes() -> None:
    rng = np.random.default_rng(5)
    spread = 0.1  # reliability 0.5 at 100 prompts
    runs = [two_sets(rng=rng, seeds=256, spread=spread) for _ in range(9)]
    found = [prompts_needed(measure(one, rng=rng), per_image_mean=False) for one in runs]
    numbers = [one.prompts for one in found if one.prompts is not None]
    assert np.median(numbers) == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_an_empty_list_gives_the_number_or_says_why_there_is_none(spread: float) -> None:
    rng = np.random.default_rng(6)
    seen = 0
    for _ in range(6):
        samples = two_sets(rng=rng, seeds=24, spread=spread)
        result = rank_samples(Distance(), samples, IDENTITY, share=0.25)
        assert result.prompts_needed_note
        for listed in (result.golden, result.bad):
            assert listed.confirmed or listed.verdict.endswith(result.prompts_needed_note)
            seen += not listed.confirmed
        if result.prompts_needed is not None:
            assert f"about {result.prompts_needed:,} prompts" in result.prompts_needed_note
    assert seen


def test_the_same_generator_gives_the_same_answers() -> None:
    samples = two_sets(rng=np.random.default_rng(10), spread=0.3)
    first, second = (measure(samples, rng=np.random.default_rng(0)) for _ in range(2))
    assert first == second
    assert first != measure(samples, rng=np.random.default_rng(1))
