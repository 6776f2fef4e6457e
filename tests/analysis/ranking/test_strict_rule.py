"""Test the stricter list with known effects."""

import numpy as np
import pytest

from analysis.cells.cells import Sample
from analysis.ranking.strict_rule import deviation_errors, strict_golden
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import grouped_error
from analysis.statistics.reliability import golden_by_expected_error, top_quarter_probability
from tests.analysis.planted import NEED, Score, sample, two_sets


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
