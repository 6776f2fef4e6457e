"""A search replayed on planted scores finds the planted seeds with fewer images, and no others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.studies import load_study
from analysis.studies.search.study import Search
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import SCORE, SCORES, Values, planted_run

SETTINGS = {"budgets": [0.3], "unit": 2, "replays": 8, "null_replays": 19}


def scores(prompts: Sequence[Prompt], seeds: int, *, spread: float) -> Values:
    rng = np.random.default_rng(5)
    shape = (seeds, len(prompts))
    effect = spread * np.sort(rng.standard_normal(seeds))[:, None]
    return {SCORES: {"score": effect + 3 * rng.normal(size=(1, shape[1])) + rng.normal(size=shape)}}


def run_with(path: Path, spread: float, **recipe: object) -> Run:
    fields: dict[str, object] = {
        "features": [SCORES],
        "metrics": [SCORE],
        "ranking": {"metric": SCORE, "share": 0.25},
        "seeds": 64,
        "prompts": 240,
        "objects": 80,
        **recipe,
    }
    make = {"make": lambda prompts, seeds: scores(prompts, seeds, spread=spread)}
    return planted_run(path, **make, **fields)  # type: ignore[arg-type]


def test_planted_seeds_are_found_with_fewer_images_than_an_even_spread_needs(
    tmp_path: Path,
) -> None:
    run = run_with(tmp_path / "seeds", 0.35, seeds=128)
    numbers = load_study("search", SETTINGS).find(run).numbers
    race, even = numbers["race"], numbers["uniform"]
    assert race["images"] <= 0.33 * numbers["images_full"]
    assert even["images"] == race["images"]
    assert race["agreement"] > even["agreement"] > 2 * numbers["chance"]
    assert race["attained"] > 0.8
    assert race["gain_low"] > 0
    assert numbers["null_p"] == 1 / 20
    assert numbers["null_agreement_high"] < race["agreement"]
    assert numbers["null_alarms"] <= 4  # a bound of 10 % on 19 draws
    # The race shares prompts with the full list of set 1, so this agreement is optimistic.
    assert race["agreement_own"] > race["agreement"] - 0.05


def test_no_seed_effect_no_certain_seed(tmp_path: Path) -> None:
    numbers = load_study("search", SETTINGS).find(run_with(tmp_path, 0.0)).numbers
    assert numbers["race"]["certain"] < 0.2
    assert numbers["race"]["gain_low"] < 0 < numbers["race"]["gain_high"]
    assert numbers["expected_error"] > 0.4
    assert numbers["null_p"] > 0.05


def test_units_are_small_if_prompts_are_few(tmp_path: Path) -> None:
    run = run_with(tmp_path, 0.3, seeds=16, prompts=120, objects=60)
    settings = {**SETTINGS, "budgets": [0.4], "replays": 2}
    small = load_study("search", {**settings, "unit": 0}).find(run).tables["seeds"].frame
    large = load_study("search", {**settings, "unit": 8}).find(run).tables["seeds"].frame
    assert small["units"].n_unique() > 1  # seeds near the boundary got more units
    assert large["units"].n_unique() == 1


def test_what_cannot_be_raced_is_refused(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", 0.3, seeds=16, prompts=60, objects=20)
    with pytest.raises(RunError, match="gives each seed fewer than 2; at least"):
        Search(budgets=(0.01,), unit=1).find(run)
    with pytest.raises(RunError, match=r"units of 30 images in set 1 .* at least 5"):
        Search(unit=30).find(run)
    with pytest.raises(ConfigError, match="changes with the number of images"):
        Search(metric="frechet_perceptual").find(run)
    with pytest.raises(ConfigError, match="no better end"):
        Search(metric="brightness").find(run)
