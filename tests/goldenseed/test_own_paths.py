"""A relative path starts at the file that names it, wherever the command is given."""

import shutil
from pathlib import Path

import pytest
import yaml

from analysis.features.cards import cards
from analysis.metrics import load_metric
from pipeline.cards.card import find_card, load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.settings.recipe import load_recipe, recipe_files
from tests.goldenseed.conftest import Call

RECIPE = {
    "card": "../cards/mine.yaml",
    "prompts": {"source": "mine.csv"},
    "seeds": {"count": 1},
    "tile": {"seeds": 1, "prompts": 1},
    "batch_size": 1,
    "sampling": {"num_inference_steps": 1},
    "features": ["clip_seedling@judge.yaml"],
    "metrics": [],
    "ranking": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe, its prompts, its model and a judge, with relative paths between them."""
    recipes, weights = tmp_path / "recipes", PROJECT_ROOT / "seedling" / "weights"
    recipes.mkdir()
    (recipes / "own.yaml").write_text(yaml.safe_dump(RECIPE))
    (recipes / "mine.csv").write_text("prompt\na red horse\n")
    judge = cards()["clip-seedling"].model_dump(exclude_defaults=True) | {"path": "judge"}
    (recipes / "judge.yaml").write_text(yaml.safe_dump(judge))
    shutil.copytree(weights / "clip", recipes / "judge")
    shutil.copytree(weights / "seedling-mini", tmp_path / "cards" / "model")
    card = load_cards()["seedling-mini"].model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "cards" / "mine.yaml").write_text(
        yaml.safe_dump({k: v for k, v in card.items() if k != "name"} | {"path": "model"})
    )
    return tmp_path


def test_a_run_is_drawn_and_measured_from_anywhere(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere" / "deep").mkdir(parents=True)
    monkeypatch.chdir(folder / "elsewhere")
    out = ("--out", folder / "run", "--executor", "local")
    assert call("plan", "../recipes/own.yaml").code == 0
    assert call("generate", "../recipes/own.yaml", *out).code == 0
    monkeypatch.chdir(folder / "elsewhere" / "deep")
    assert call("measure", folder / "run", "--executor", "local").code == 0
    assert call("generate", folder / "recipes" / "own.yaml", *out).code == 0


def test_the_file_beside_the_recipe_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.csv").write_text("prompt\nanother\n")
    monkeypatch.chdir(folder)
    recipe = load_recipe("recipes/own.yaml")
    assert recipe.prompts.source == str(folder / "recipes" / "mine.csv")
    assert recipe.card == str(folder / "cards" / "mine.yaml")
    assert recipe.features == [f"clip_seedling@{folder / 'recipes' / 'judge.yaml'}"]
    assert find_card(recipe.card).path == str(folder / "cards" / "model")


def test_a_file_in_the_working_folder_alone_is_not_taken(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "recipes" / "mine.csv").rename(folder / "mine.csv")
    monkeypatch.chdir(folder)
    called = call("plan", "recipes/own.yaml")
    assert called.code == 2
    assert f"{folder / 'recipes' / 'mine.csv'}: cannot be read" in called.err


def test_weights_of_an_arm_start_at_the_recipe_and_shipped_ones_at_the_project(
    folder: Path,
) -> None:
    own, shipped = "weights.safetensors", "seedling/weights/seedling-mini"
    arms = {
        name: {"intervention": {"name": "offset_noise", "parameters": {"weights": path}}}
        for name, path in (("own", own), ("shipped", shipped))
    }
    path = folder / "recipes" / "own.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"arms": arms}))
    found = {
        name: arm.intervention.parameters["weights"]
        for name, arm in load_recipe(str(path)).arms.items()
        if arm.intervention
    }
    assert found == {"own": str(folder / "recipes" / own), "shipped": shipped}


def test_shipped_recipes_and_cards_name_what_they_named() -> None:
    for name, file in recipe_files().items():
        fields = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert load_recipe(name).prompts.source == fields["prompts"]["source"]
        assert load_recipe(str(file)).card == fields["card"]
    assert find_card("seedling-mini").path == "seedling/weights/seedling-mini"


def test_moving_a_card_changes_no_identity() -> None:
    metrics = [load_metric(f"clip_score@{path}") for path in ("a/own.yaml", "/b/own.yaml")]
    first, second = (metric.identity(["clip-1"]) for metric in metrics)
    assert first == second != load_metric("clip_score@other.yaml").identity(["clip-1"])
