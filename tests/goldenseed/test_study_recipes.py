"""Recipes of the real study: what they cost, and what cannot be drawn yet says so."""

from pathlib import Path

import pytest
import yaml

from goldenseed.plan import plan_recipe, prompts_to_plan
from goldenseed.start import start_runs
from pipeline.cards import find_card, resolve
from pipeline.errors import ModelError, PromptError
from pipeline.recipe import RECIPES, load_recipe

STATED = ("card", "prompts", "seeds")


@pytest.mark.parametrize("name", ["sdxl-turbo-overnight", "sd2-overnight"])
def test_a_night_is_8_to_12_hours_of_one_gpu(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    (plan,) = plan_recipe(recipe, prompts_to_plan(recipe), tmp_path)
    assert plan.gpu_hours is not None
    assert 8 <= plan.gpu_hours <= 12
    assert "reliability" in plan.expect
    assert "too few" in plan.expect


@pytest.mark.parametrize("name", ["paper-sd2", "paper-sdxl-turbo"])
def test_the_paper_has_10000_prompts_in_both_sets(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    prompts = prompts_to_plan(recipe)
    for number in (1, 2):
        assert sum(p.set == number for p in prompts.values()) >= 10_000
    assert recipe.metric_prompts["fid"] == 10_000
    assert recipe.metric_prompts["hps_v2_1"] == 1_000
    assert len(recipe.seeds.values()) == 1_024
    (plan,) = plan_recipe(recipe, prompts, tmp_path)
    assert plan.cells == 26_000 * 1_024
    assert "enough" in plan.expect


@pytest.mark.parametrize("name", ["paper-sd2", "paper-sdxl-turbo"])
def test_every_value_says_whether_the_paper_states_it(name: str) -> None:
    lines = (RECIPES / f"{name}.yaml").read_text().splitlines()
    below = lines[lines.index("sampling:") + 1 : lines.index("", lines.index("sampling:"))]
    values = [line for line in below if line.strip()]
    assert len(values) >= 6
    assert all("# our choice" in v or "# the paper" in v or "# likewise" in v for v in values)


def test_a_missing_prompt_file_without_a_count_is_an_error() -> None:
    recipe = load_recipe("paper-sd2")
    unknown = recipe.prompts.model_copy(update={"count": None})
    with pytest.raises((PromptError, OSError)):
        prompts_to_plan(recipe.model_copy(update={"prompts": unknown}))


def test_a_family_that_is_not_there_is_named_before_anything_is_fetched(tmp_path: Path) -> None:
    card = find_card("sdxl-turbo").model_copy(update={"family": "no_such_family"})
    with pytest.raises(ModelError, match="no_such_family, which this version cannot draw"):
        resolve(card)
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(card.model_dump(mode="json", exclude={"name"})))
    changes = {"card": str(file), "features": [], "metrics": [], "ranking": None}
    recipe = load_recipe("sdxl-turbo-overnight").model_copy(update=changes)
    with pytest.raises(ModelError, match="can be planned only"):
        start_runs(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
