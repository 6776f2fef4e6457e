"""A card whose latents are not those of its VAE is refused before anything is drawn."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cards.card import Card, find_card, load_cards, resolve
from pipeline.cards.card_parts import Part
from pipeline.errors import ConfigError, ModelError
from pipeline.runs.sampling import check_latents
from tests.goldenseed import tiny_recipes
from tests.pipeline import tiny_pipelines

MINI = find_card("seedling-mini")


def card(**changes: Any) -> Card:  # noqa: ANN401
    return MINI.model_copy(update=changes)


@pytest.mark.parametrize("shipped", load_cards().values(), ids=lambda card: card.name)
def test_shipped_cards_say_what_their_vae_has(shipped: Card) -> None:
    if shipped.path:
        try:
            resolved = resolve(shipped)
        except ModelError:  # not on this machine
            return
        check_latents(shipped, resolved.folder, resolved.parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_channels": 4}, r"latent_channels is 4, and the autoencoder in .* has 16"),
        ({"vae_factor": 16}, r"vae_factor is 16, and the autoencoder in .* has 8"),
    ],
)
def test_another_vae(changes: dict[str, int], message: str) -> None:
    folder = resolve(MINI).folder
    with pytest.raises(ConfigError, match=message):
        check_latents(card(**changes), folder, {})
    check_latents(card(**changes, family="somewhere.models:Mine"), folder, {})
    check_latents(card(**changes), None, {})


def test_a_vae_that_is_a_part(tmp_path: Path) -> None:
    shutil.copytree(resolve(MINI).folder / "vae", tmp_path / "vae")
    config = json.loads((tmp_path / "vae/config.json").read_bytes())
    (tmp_path / "vae/config.json").write_text(json.dumps({**config, "latent_channels": 8}))
    part = Part(use="component", component="vae", path=str(tmp_path), subfolder="vae")
    with pytest.raises(ConfigError, match=r"16, and the autoencoder in .* has 8"):
        check_latents(card(parts={"vae": part}), resolve(MINI).folder, {"vae": tmp_path})


@pytest.mark.parametrize("name", sorted(tiny_pipelines.BUILDERS))
def test_cards_with_stages(tmp_path: Path, name: str) -> None:
    made = tiny_pipelines.checkpoint(tmp_path, load_cards()[name])
    resolved = resolve(made)
    check_latents(made, resolved.folder, resolved.parts)


def test_a_recipe_is_refused_by_the_plan(tmp_path: Path) -> None:
    from goldenseed.steps.begin import check_recipe
    from pipeline.settings.recipe import load_recipe

    prompts = tiny_recipes.write_prompts(tmp_path, [{"text": "a red ball"}])
    recipe = tiny_recipes.write_recipe(tmp_path, card(latent_channels=4), prompts)
    with pytest.raises(ConfigError, match=r"latent_channels is 4.* has 16"):
        check_recipe(load_recipe(str(recipe)))
