"""Quality per seed on planted scores: the spread, the reliability and the ends are found."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.metrics.frechet import FrechetPerceptual
from analysis.statistics.shrinkage import spread_interval
from analysis.studies import load_study
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run
from tests.analysis.synthetic import COLOUR, COLOUR_KID, ColourKid

RECIPE = {"features": [SCORES], "metrics": [SCORE], "ranking": None}


def scores(prompts: Sequence[Prompt], seeds: int, *, spread: float) -> Values:
    rng = np.random.default_rng(5)
    effect = spread * np.linspace(-1.5, 1.5, seeds)[:, None]
    values = effect + rng.normal(size=(1, len(prompts))) + rng.normal(size=(seeds, len(prompts)))
    return {SCORES: {"score": values}}


def run_with(path: Path, spread: float, **size: int) -> Run:
    return planted_run(path, lambda p, s: scores(p, s, spread=spread), **size, **RECIPE)


def test_planted_effects_are_found_and_none_where_none_is(tmp_path: Path) -> None:
    study = load_study("quality")
    found = study.find(run_with(tmp_path / "seeds", 0.5)).numbers["metrics"][0]
    truth = (0.5 * np.linspace(-1.5, 1.5, 32)).std(ddof=1)
    assert found["spread_low"] < truth < found["spread_high"]
    assert found["reliability"] > 0.8
    assert found["gap_p"] < 0.01
    assert found["best"] > 22
    assert found["worst"] < 10
    none = study.find(run_with(tmp_path / "none", 0.0)).numbers["metrics"][0]
    assert none["gap_p"] > 0.05
    assert none["spread_low"] == 0
    assert none["reliability_low"] < 0.3
    naive = 0.5 * 0.9  # the best of 32 equal seeds still stands far out, as a naive gap would say
    assert none["gap"] > naive


def colours(prompts: Sequence[Prompt], seeds: int) -> Values:
    rng = np.random.default_rng(6)
    means = np.linspace(0.5, 1.5, seeds)[:, None, None] + np.zeros((1, len(prompts), 3))
    return {
        SCORES: {"score": rng.normal(size=means.shape[:2])},
        COLOUR: {"mean": rng.normal(means, 0.05)},
    }


@pytest.mark.parametrize("prompts", [60, 120])
def test_the_floor_stands_beside_a_distance(tmp_path: Path, prompts: int) -> None:
    recipe = {**RECIPE, "features": [SCORES, COLOUR], "metrics": [COLOUR_KID, SCORE]}
    run = planted_run(tmp_path, colours, seeds=8, prompts=prompts, **recipe)
    found = load_study("quality").find(run)
    distance, mean = found.numbers["metrics"]
    n = distance["n_set2"]
    assert (2 * n <= 64) == (prompts == 60)  # images of the reference
    if prompts == 60:
        assert (distance["floor_n"], distance["floor_reference_n"]) == (n, 64 - n)
        seeds = found.tables["seeds"].frame.filter(metric="kid_colour")["set2"]
        high = distance["floor"] + 3 * distance["floor_spread"]
        assert seeds.min() < high < seeds.max()
        assert "noise floor" in found.outcome
    else:
        assert distance["floor"] is None
        assert f"needs 2n = {2 * n} reference images, there are 64" in distance["floor_note"]
    assert (mean["floor"], mean["floor_note"]) == (None, "")


class ColourFrechet(FrechetPerceptual):
    """Distance of the mean colours from middle grey."""

    name: ClassVar[str] = "frechet_colour"
    needs: ClassVar[tuple[str, ...]] = ColourKid.needs
    reference: ClassVar[NDArray[np.float64]] = np.random.default_rng(0).normal(0.5, 0.3, (900, 3))


def test_infinitely_many_images_stand_beside_a_frechet_distance_alone(tmp_path: Path) -> None:
    own = f"{__name__}:ColourFrechet"
    recipe = {**RECIPE, "features": [SCORES, COLOUR], "metrics": [COLOUR_KID, own]}
    found = load_study("quality").find(planted_run(tmp_path, colours, seeds=8, **recipe))
    kernel, frechet = found.numbers["metrics"]
    assert (kernel["at_infinity"], kernel["at_infinity_n"]) == (None, "")
    seeds = found.tables["seeds"].frame
    assert seeds.filter(metric="kid_colour")["set2_at_infinity"].null_count() == 8
    limits = seeds.filter(metric="frechet_colour")
    assert frechet["at_infinity"] == pytest.approx(limits["set2_at_infinity"].mean())
    assert limits["set2_at_infinity"].mean() < limits["set2"].mean()
    assert frechet["at_infinity_n"].endswith(f", {frechet['n_set2']}")
    assert found.outcome.count("at infinitely many images") == 1


def test_prompts_for_a_reliability_follow_spearman_and_brown(tmp_path: Path) -> None:
    run = run_with(tmp_path, 0.25)
    row = load_study("quality", {"target": 0.99}).find(run).numbers["metrics"][0]
    r, n = row["reliability"], row["n_set2"]
    assert row["prompts_needed"] == int(np.ceil(n * 99 * (1 - r) / r))
    k = row["prompts_needed"] / n
    assert k * r / (1 + (k - 1) * r) >= 0.99 - 1e-9
    assert row["prompts_needed"] > n * 0.99 / r  # what a straight line would say is too few


def test_the_spread_interval_covers_and_the_raw_spread_does_not() -> None:
    rng, repeats = np.random.default_rng(8), 2000
    errors = np.where(np.arange(40) % 2, 1.0, 0.5)
    chi = stats.chi2(39).ppf([0.975, 0.025])
    inside = naive = 0
    for _ in range(repeats):
        values = 0.7 * rng.normal(size=40) + errors * rng.normal(size=40)
        found = spread_interval(values, errors)
        inside += found.low <= 0.7 <= found.high
        raw = np.sqrt(values.var(ddof=1) * 39 / chi)  # sampling noise left in
        naive += raw[0] <= 0.7 <= raw[1]
    least, most = stats.binom(repeats, 0.95).ppf([0.0005, 0.9995])
    assert least <= inside <= most
    assert naive < least


def test_too_little_is_refused_with_numbers(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="6 seeds; this study needs at least 8"):
        load_study("quality").find(run_with(tmp_path / "few", 0.5, seeds=6))
    with pytest.raises(RunError, match=r"2 prompt groups in set 1; .* at least 4"):
        load_study("quality").find(run_with(tmp_path / "groups", 0.5, objects=2))
    with pytest.raises(ConfigError, match="no setting 'metric': did you mean 'metrics'"):
        load_study("quality", {"metric": "fid"})
    with pytest.raises(ConfigError, match="target"):
        load_study("quality", {"target": "high"})
