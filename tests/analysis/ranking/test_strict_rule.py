"""Test the stricter list with known effects."""

from typing import ClassVar

import numpy as np
import pytest

from analysis.cells.cells import Sample
from analysis.metrics.kid import KidPerceptual
from analysis.ranking.rank import rank_samples
from analysis.ranking.repeatability import repeatability
from analysis.ranking.strict_rule import deviation_errors, strict_golden
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import grouped_error
from analysis.statistics.reliability import golden_by_expected_error, top_quarter_probability
from analysis.statistics.shrinkage import spread_interval
from tests.analysis.planted import NEED, Score, sample, two_sets

IDENTITY = ("0123456789abcdef", "fedcba9876543210", "00112233445566ff")


def strict(one: Sample, *, rng: np.random.Generator) -> tuple[int, ...]:
    metric = Score()
    return strict_golden(metric, metric.prepare(one.columns), one, rng, share=0.25)


def wrong(listed: tuple[int, ...], truth: Floats) -> int:
    top = set(np.argsort(-truth)[: len(truth) // 4])
    return sum(seed not in top for seed in listed)


def test_the_stricter_list_is_wrong_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    metric, found, naive = Score(), [0, 0], [0, 0]
    for _ in range(24):
        truth = 0.15 * rng.normal(size=256)
        codes = np.repeat(np.arange(24), 2)
        one = sample(truth[:, None] + rng.normal(size=(256, 48)), codes)
        listed = strict(one, rng=rng)
        found = [found[0] + wrong(listed, truth), found[1] + len(listed)]
        prepared = metric.prepare(one.columns)
        errors = deviation_errors(metric, prepared, one)
        flat = top_quarter_probability(metric.values(prepared), errors, rng)
        raw = tuple(int(i) for i in golden_by_expected_error(flat))
        naive = [naive[0] + wrong(raw, truth), naive[1] + len(raw)]
    assert found[1] > 100
    assert found[0] / found[1] < 0.15  # 10 %, and two standard errors of so many seeds
    assert naive[0] / naive[1] > 0.15  # without shrinkage, more seeds are wrong than expected


def test_the_stricter_list_is_empty_without_an_effect_and_whole_without_noise() -> None:
    rng = np.random.default_rng(8)
    (none, _) = two_sets(rng=rng, spread=0.0)
    assert strict(none, rng=rng) == ()
    exact = sample(np.arange(16.0)[:, None] + np.zeros((16, 24)), np.arange(24))
    assert set(strict(exact, rng=rng)) == {12, 13, 14, 15}
    equal = sample(np.zeros((16, 24)), np.arange(24))
    assert strict(equal, rng=rng) == ()


def test_what_prompts_do_to_every_seed_does_not_count_as_error() -> None:
    rng = np.random.default_rng(9)
    (one, _) = two_sets(rng=rng, spread=0.5, prompt=5.0)
    metric = Score()
    errors = deviation_errors(metric, metric.prepare(one.columns), one)
    assert np.mean(errors) == pytest.approx(1 / np.sqrt(48), rel=0.1)
    assert len(strict(one, rng=rng)) > 5
    # The negative control: the errors of the values themselves hide the seeds.
    plain = [grouped_error(row, one.groups)[0] for row in one.columns[NEED]]
    assert np.mean(plain) > 3 * np.mean(errors)


class Kid(KidPerceptual):
    needs: ClassVar[tuple[str, ...]] = ("appearance.embedding",)
    reference: ClassVar[Floats] = np.random.default_rng(0).normal(size=(200, 16))


def embedded(spread: float, *, rng: np.random.Generator) -> list[Sample]:
    """Two sets of embeddings of 32 seeds; seeds are further from the reference by their effect."""
    effect, codes = spread * rng.normal(size=(32, 1, 1)), np.arange(48) % 24
    sets = []
    for number in range(2):
        shared = 0.3 * rng.normal(size=(1, 48, 1))
        plain = sample(np.zeros((32, 48)), codes, first=48 * number)
        vectors = effect + shared + rng.normal(size=(32, 48, 16))
        sets.append(Sample(plain.seeds, plain.prompts, {Kid.needs[0]: vectors}))
    return sets


def errors_of(
    samples: list[Sample], *, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, float]:
    """Values of set 2, their errors by jackknife alone, calibrated, and the reliability."""
    metric = Kid()
    prepared = [metric.prepare(each.columns) for each in samples]
    known = repeatability(metric, prepared, samples, rng)
    plain = deviation_errors(metric, prepared[1], samples[1])
    calibrated = deviation_errors(metric, prepared[1], samples[1], known)
    return metric.values(prepared[1]), plain, calibrated, known.full.value


def test_errors_of_a_distance_are_as_large_as_its_noise() -> None:
    """Without a seed effect, all of the variance between seeds is noise."""
    rng, ratios = np.random.default_rng(10), []
    for _ in range(12):
        values, plain, calibrated, _ = errors_of(embedded(0.0, rng=rng), rng=rng)
        ratios.append([np.mean(e**2) / values.var(ddof=1) for e in (plain, calibrated)])
    old, new = np.sqrt(np.mean(ratios, axis=0))
    assert new == pytest.approx(1, abs=0.08)
    assert old > 1.25  # the negative control: the jackknife counts pairs of images twice


def test_the_spread_agrees_with_the_reliability() -> None:
    rng, contradictions = np.random.default_rng(11), 0
    for _ in range(8):
        values, plain, calibrated, r = errors_of(embedded(0.12, rng=rng), rng=rng)
        if r > 0.1:
            found = spread_interval(values, calibrated)
            assert found.value == pytest.approx(np.sqrt(r) * values.std(ddof=1), rel=0.01)
            contradictions += spread_interval(values, plain).value == 0
    assert contradictions  # the negative control: no spread beside a reliability above 0.1


def test_expected_values_of_listed_seeds_are_not_too_good() -> None:
    """A seed listed by both sets looks better on set 2 than it is; its expected value does not."""
    rng, raw, kept = np.random.default_rng(12), [], []
    for _ in range(40):
        truth = 0.2 * rng.normal(size=32)
        codes, noise = np.arange(48) % 24, rng.normal(size=(2, 32, 48))
        sets = [sample(truth[:, None] + noise[i], codes, first=48 * i) for i in range(2)]
        result = rank_samples(Score(), sets, IDENTITY, share=0.25)
        for seed in result.seeds:
            if seed.seed in result.golden.seeds and seed.expected is not None:
                raw.append((seed.value - truth[seed.seed]) / 0.2)
                kept.append((seed.expected - truth[seed.seed]) / 0.2)
    assert np.mean(raw) > 0.15  # in standard deviations of the true effects
    assert np.mean(kept) < 0.05
