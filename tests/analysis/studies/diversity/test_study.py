"""Diversity on planted styles: a gain where seeds are far apart, none without a seed effect."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import goldenseed
from analysis.studies import load_study
from analysis.studies.base import Findings
from analysis.studies.diversity.guided_run import GUIDED, SCHEDULERS, guided_recipes
from pipeline.errors import ConfigError, RunError
from pipeline.interventions import particle_guidance
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.everything import STYLE, WIDTH
from tests.analysis.studies.planted_run import LAYOUT, SCORE, SCORES, Values, planted_run

SEEDS, FAR = 40, (3, 11, 27)
RECIPE = {"features": [STYLE, LAYOUT, SCORES], "metrics": [SCORE], "ranking": None}


def planted(prompts: Sequence[Prompt], spread: float) -> Values:
    """Plant three seeds with styles that are far from one another and from all others."""
    rng = np.random.default_rng(6)
    shape = (SEEDS, len(prompts))
    own = np.zeros((SEEDS, WIDTH))
    own[list(FAR)] = 2 * spread * rng.normal(size=(len(FAR), WIDTH))
    style = 2 + own[:, None] + rng.normal(size=(*shape, WIDTH))
    places = rng.normal(size=(4, *shape)) + spread * rng.normal(size=(4, SEEDS, 1))
    layout = dict(zip(("x", "y", "size", "depth"), 0.5 + 0.1 * places, strict=True))
    lost = rng.random(shape) < 0.2
    layout = {name: np.where(lost, np.nan, values) for name, values in layout.items()}
    return {
        STYLE: {"style": style},
        LAYOUT: {"found": (~lost).astype(float), **layout},
        SCORES: {"score": rng.normal(size=shape)},
    }


def run_with(path: Path, spread: float, **recipe: object) -> Run:
    fields = {**RECIPE, **recipe}
    return planted_run(path, lambda p, _: planted(p, spread), seeds=SEEDS, prompts=90, **fields)


def find(run: Run, **settings: str) -> Findings:
    chosen = {"layout": LAYOUT, "firsts": 20, "draws": 80, **settings}
    return load_study("diversity", chosen).find(run)


def rows(found: Findings) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["space"], row["method"]): row for row in found.numbers["methods"]}


def test_far_seeds_are_less_similar_and_the_cost_is_reported(tmp_path: Path) -> None:
    found = rows(find(run_with(tmp_path, 1.0)))
    style = found["style", "farthest points"]
    assert style["less_random_high"] < 0
    assert style["p"] == pytest.approx(1 / 81)
    assert style["similarity"] < found["style", "random seeds"]["similarity"]
    composition = found["composition", "farthest points"]
    assert composition["found"] == pytest.approx(0.8, abs=0.06)
    assert composition["less_random"] < 0
    assert "score" in style["quality_metric"]


def test_no_gain_is_found_without_a_seed_effect(tmp_path: Path) -> None:
    found = rows(find(run_with(tmp_path, 0.0)))
    for space in ("style", "composition"):
        assert found[space, "farthest points"]["p"] > 0.02


def test_diverse_seeds_are_the_far_ones(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1.0)
    assert set(goldenseed.diverse_seeds(run.root, 4, first=0)) == {0, *FAR}
    assert set(goldenseed.diverse_seeds(run.root, 4)) >= set(FAR)
    assert len(goldenseed.diverse_seeds(run.root, 4, by="composition", feature=LAYOUT)) == 4
    with pytest.raises(ConfigError, match="41 seeds of 40"):
        goldenseed.diverse_seeds(run.root, 41)
    with pytest.raises(ConfigError, match="no seed 99"):
        goldenseed.diverse_seeds(run.root, 2, first=99)


def test_the_guided_run_has_a_recipe_and_a_wrong_run_is_refused(tmp_path: Path) -> None:
    run = run_with(tmp_path, 0.0)
    text = find(run).recipes["particle_guidance"]
    recipe = type(run.recipe)(name="apart", **yaml.safe_load(text))
    assert recipe.sampling.intervention is not None
    assert recipe.sampling.intervention.name == "particle_guidance"
    assert recipe.seeds == run.recipe.seeds
    text = guided_recipes(synthetic.start(tmp_path / "odd", tile=(10, 40)))[GUIDED]
    assert yaml.safe_load(text)["tile"]["seeds"] == 12  # whole groups of four
    with pytest.raises(RunError, match="intervention none; particle_guidance is needed"):
        load_study("diversity", {"layout": LAYOUT, "guided": str(run.root)}).find(run)


@pytest.mark.parametrize(
    ("change", "recipes"),
    [
        ({}, [GUIDED]),
        ({"num_inference_steps": 1}, []),
        ({"scheduler": "EulerDiscreteScheduler"}, []),
        ({"scheduler_config": {"prediction_type": "sample"}}, []),
        ({"scheduler_config": {"variance_type": "learned_range"}}, []),
        ({"frames": 4}, []),
    ],
)
def test_no_recipe_is_written_that_particle_guidance_refuses(
    change: dict[str, object], recipes: list[str], tmp_path: Path
) -> None:
    asked = synthetic.start(tmp_path / "any").recipe
    run = Run.start(tmp_path / "run", synthetic.config(**change), asked)
    assert list(guided_recipes(run)) == recipes
    assert SCHEDULERS == particle_guidance.SCHEDULERS


def test_particle_guidance_is_compared_on_the_same_prompts(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", 0.0)
    apart = run_with(tmp_path / "apart", 3.0, intervention="particle_guidance")
    found = find(run, guided=str(apart.root))
    assert found.recipes == {}
    guided = rows(found)["style", "particle_guidance"]
    assert guided["less_random_high"] < 0  # its groups contain the seeds with distinct styles
    assert guided["p"] is None
    assert guided["prompts"] == rows(found)["style", "random seeds"]["prompts"]
    alike = run_with(tmp_path / "alike", 0.0, intervention="particle_guidance")
    same = rows(find(run, guided=str(alike.root)))["style", "particle_guidance"]
    assert same["less_random_low"] < 0 < same["less_random_high"]
