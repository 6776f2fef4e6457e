"""Recipes: arms over sampling over card, and every mistake named."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.cards.card import ResolvedCard, find_card, resolve
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from pipeline.settings.choices import SeedChoice
from pipeline.settings.recipe import (
    Recipe,
    Sampling,
    load_recipe,
    parse_recipe,
    recipe_files,
    recipe_names,
)


def weights_of(recipe: Recipe) -> list[str]:
    """Paths of weights that a recipe needs: those of interventions, and of its card's parts."""
    samplings = [recipe.sampling, *recipe.arms.values()]
    used = [each.intervention.parameters for each in samplings if each.intervention]
    parts = [part.path for part in find_card(recipe.card).parts.values() if part.path]
    return [str(each["weights"]) for each in used if "weights" in each] + parts


def made_first(name: str) -> list[str]:
    """The weights that a recipe needs and that do not ship."""
    return [path for path in weights_of(load_recipe(name)) if path.startswith("checkpoints/")]


@pytest.mark.parametrize("name", recipe_names())
def test_weights_of_recipes_ship_or_it_is_said_how_they_are_made(name: str) -> None:
    missing = made_first(name)
    text = recipe_files()[name].read_text(encoding="utf-8")
    text += find_card(load_recipe(name).card).note
    assert not missing or "seedling.train." in text
    shipped = set(weights_of(load_recipe(name))) - set(missing)
    assert all((PROJECT_ROOT / path).exists() for path in shipped)


@pytest.mark.parametrize(
    "name", [name for name in recipe_names() if not name.startswith("offset-sweep")]
)
def test_shipped_recipes_are_valid(name: str) -> None:
    """All but those whose interventions read weights that are trained first."""
    recipe = load_recipe(name)
    resolved = ResolvedCard(folder=Path(), revision="", sha256="0" * 64)
    arms = recipe.run_configs(resolved)
    assert len({arm.run_id for arm in arms.values()}) == len(arms) == max(1, len(recipe.arms))


def test_arm_overrides_sampling_overrides_card() -> None:
    recipe = Recipe(
        name="r",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 4},
        sampling={"guidance_scale": 2.0, "num_inference_steps": 5},
        arms={"a": {}, "b": {"guidance_scale": 1.0}},
    )
    arms = recipe.run_configs(ResolvedCard(folder=Path(), revision="", sha256="0"))
    assert [arm.guidance_scale for arm in arms.values()] == [2.0, 1.0]
    assert [arm.num_inference_steps for arm in arms.values()] == [5, 5]
    assert arms["a"].scheduler == find_card("seedling-mini").scheduler


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        Sampling().eta = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("3", [0, 1, 2]), ("7:9", [7, 8]), ("469,7,469", [469, 7]), ("4294967295,", [4294967295])],
)
def test_seeds(text: str, wanted: list[int]) -> None:
    assert SeedChoice.parse(text).values() == wanted


@pytest.mark.parametrize(
    "text", ["", "x", "0", "9:7", "-1:3", "1:2:3", "4294967296,", "1.5", "-1,"]
)
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"wanted a count"):
        SeedChoice.parse(text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "a: [1,\n", "a: \x00"])
def test_yaml_that_is_no_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"r\.yaml"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    "change", [{"keep_images": -1}, {"arms": {"../x": {}}}, {"name": "my grid"}, {"name": ".."}]
)
def test_recipes_that_could_do_harm(change: dict[str, object]) -> None:
    fields = {"card": "seedling-mini", "prompts": {"source": "x"}, "seeds": {"count": 1}}
    with pytest.raises(ConfigError):
        parse_recipe({**fields, **change}, Path("r.yaml"))


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)card.*seeds|seeds.*card"):
        parse_recipe({"prompts": {"source": "x"}}, Path("r.yaml"))


def test_a_recipe_ranks_nothing_unless_it_names_a_metric() -> None:
    fields = {"card": "seedling-mini", "prompts": {"source": "x"}, "seeds": {"count": 1}}
    assert parse_recipe(fields, Path("r.yaml")).ranking is None
    with pytest.raises(ConfigError, match=r"ranking\.metric: Field required"):
        parse_recipe({**fields, "ranking": {"share": 0.1}}, Path("r.yaml"))


@pytest.mark.parametrize("ranking", [None, {"metric": "kid_perceptual", "share": 0.25}])
def test_a_stored_recipe_opens_with_or_without_a_ranking(ranking: dict[str, object] | None) -> None:
    """A run's recipe.json holds every field, so it keeps the ranking that it was made with."""
    stored = {**load_recipe("seedling-mini").model_dump(mode="json"), "ranking": ranking}
    opened = Recipe(**json.loads(json.dumps(stored)))
    assert opened.model_dump(mode="json")["ranking"] == ranking


def test_what_is_measured_and_when_renames_no_run() -> None:
    """Of all fields of a recipe, those that only measure are not in a run's identity."""
    recipe = load_recipe("seedling-mini")
    fields = {"feature_prompts": {"appearance": {"every": 5}}, "measure": "afterwards"}
    changed = Recipe.model_validate({**recipe.model_dump(), **fields})
    assert changed.feature_prompts["appearance"].every == 5
    resolved = resolve(find_card(recipe.card))
    first, second = (one.run_configs(resolved)[""].run_id for one in (recipe, changed))
    assert first == second


@pytest.mark.parametrize(
    "fields",
    [{"feature_prompts": {"appearance": {"every": 0}}}, {"measure": "never"}],
)
def test_a_wrong_choice_of_what_is_measured_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        parse_recipe({**load_recipe("seedling-mini").model_dump(), **fields}, Path("mine.yaml"))


@pytest.mark.parametrize(
    ("file", "suggested"),
    [
        ("my recipe é.yaml", "'my-recipe-e'"),
        ("-a (1).yaml", "'a-1'"),
        ("寿司.yaml", "'my-recipe'"),
        (f"{'x' * 70}.yaml", repr("x" * 64)),
    ],
)
def test_a_file_whose_name_is_no_name_of_a_run(tmp_path: Path, file: str, suggested: str) -> None:
    """The message gives a name that works, and with it the recipe is read."""
    text = "card: seedling-mini\nprompts: {source: seedling}\nseeds: {count: 2}\n"
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError, match=f"name: .*write for example {suggested}"):
        load_recipe(str(tmp_path / file))
    (tmp_path / file).write_text(f"{text}name: {suggested}\n")
    assert load_recipe(str(tmp_path / file)).name == suggested.strip("'")


def test_the_name_of_an_arm() -> None:
    with pytest.raises(ConfigError, match=r"arms.*write for example 'high-guidance'"):
        parse_recipe(
            {
                "card": "seedling-mini",
                "prompts": {"source": "seedling"},
                "seeds": {"count": 2},
                "arms": {"high guidance": {"guidance_scale": 9}},
            },
            Path("r.yaml"),
        )


def test_guidance_is_finite() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Sampling(guidance_scale=float("inf"))
