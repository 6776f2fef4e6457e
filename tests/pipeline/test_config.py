"""Names of runs: what changes them, what does not, and that old ones stay."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.cards import Card, ResolvedCard, files_sha256, find_card, load_cards, resolve
from pipeline.choices import SeedChoice
from pipeline.config import InterventionConfig, RunConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.recipe import Recipe, Sampling, load_recipe, parse_recipe, recipe_names

FIELDS: dict[str, object] = {
    "card": "seedling-mini",
    "card_sha256": "ab" * 32,
    "dtype": "float32",
    "height": 64,
    "width": 64,
    "scheduler": "DDIMScheduler",
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
    "batch_size": 64,
}
GOLDEN_ID = "6b3fc1e2393db4fe"
"""The id of FIELDS. If this test fails, every published run of the world was renamed: raise
IDENTITY_VERSION only on purpose, and take the new id from the failing comparison."""


def config(**changes: object) -> RunConfig:
    return RunConfig(**{**FIELDS, **changes})


def test_golden_id() -> None:
    assert config().run_id == GOLDEN_ID


def test_fields_at_their_default_are_not_in_the_identity() -> None:
    explicit = config(eta=0.0, noise="torch-cpu", negative_prompt="", compiled=False, decoder="vae")
    assert explicit.run_id == config().run_id


@pytest.mark.parametrize(
    "change",
    [
        {"card_sha256": "cd" * 32},
        {"dtype": "float16"},
        {"height": 128},
        {"width": 128},
        {"scheduler": "DDPMScheduler"},
        {"scheduler_config": {"prediction_type": "v_prediction"}},
        {"num_inference_steps": 21},
        {"guidance_scale": 3.5},
        {"negative_prompt": "grey"},
        {"eta": 0.5},
        {"noise": "another"},
        {"intervention": {"name": "seed_scramble"}},
        {"intervention": {"name": "none", "parameters": {"x": 1}}},
        {"batch_size": 32},
        {"compiled": True},
        {"safety_checker": True},
        {"family_sha256": "ef" * 32},
    ],
)
def test_whatever_moves_a_pixel_renames_the_run(change: dict[str, object]) -> None:
    assert config(**change).run_id != config().run_id


def test_names_and_commits_do_not_rename_the_run() -> None:
    assert config(card="renamed", revision="abc").run_id == config().run_id


def test_own_intervention_counts_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from pipeline.interventions.base import Intervention\nclass Mine(Intervention): ...\n"
    found = []
    for number, extra in enumerate(("", "# changed\n")):
        (tmp_path / f"own_{number}.py").write_text(text + extra)
        chosen = InterventionConfig(name=f"own_{number}:Mine").with_source()
        found.append(config(intervention=chosen))
    sources = [run.identity()["intervention"]["source_sha256"] for run in found]
    assert sources[0] != sources[1]
    (tmp_path / "own_0.py").unlink()
    assert RunConfig(**found[0].model_dump()).run_id == found[0].run_id


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_valid(name: str) -> None:
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


@pytest.mark.parametrize("card", load_cards().values(), ids=lambda card: card.name)
def test_cards_say_where_from_and_under_what_licence(card: Card) -> None:
    assert bool(card.path) != bool(card.repo)
    assert card.licence
    assert card.latents_shape(card.height, card.width)[0] == card.latent_channels
    assert card.path or card.revision == "unresolved" or len(card.revision) == 40


def test_hash_of_files_sees_what_defines_the_model(tmp_path: Path) -> None:
    def sha256() -> str:
        return files_sha256(tmp_path, ["*.json", "*.safetensors"])

    (tmp_path / "model_index.json").write_text(
        '{"unet": ["d", "U"], "safety_checker": [null, null]}'
    )
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/a.json").write_text("{}")
    first = sha256()
    (tmp_path / "unet/note.md").write_text("not part of the model")
    (tmp_path / "safety_checker").mkdir()
    (tmp_path / "safety_checker/b.json").write_text("of a component that is not there")
    assert sha256() == first
    (tmp_path / "unet/a.json").write_text("{ }")
    assert sha256() != first
    (tmp_path / "unet/a.json").rename(tmp_path / "unet/b.json")
    (tmp_path / "unet/b.json").write_text("{}")
    assert sha256() != first


@pytest.mark.parametrize("text", ["a: [1,\n", "- a\n", "", "family: stable_diffusion\n", "1: 2\n"])
def test_own_card_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"card\.yaml"):
        find_card(str(path))


def test_card_without_its_folder(tmp_path: Path) -> None:
    card = find_card("seedling-mini").model_copy(update={"path": str(tmp_path)})
    with pytest.raises(ModelError, match=r"model_index\.json"):
        resolve(card)


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
