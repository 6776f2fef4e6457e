"""A run whose weights were swapped is refused, whatever files the weights are in."""

from pathlib import Path

from pipeline.cards.card import load_cards
from tests.goldenseed import tiny_recipes as recipes
from tests.goldenseed.conftest import Call
from tests.pipeline import tiny
from tests.pipeline.cards.test_loaded_files import VARIANT, WEIGHTS, nudge


def test_the_second_run_is_refused(tmp_path: Path, call: Call) -> None:
    card = tiny.checkpoint(tmp_path / "model", load_cards()["seedling-mini"])
    card = card.model_copy(update={"variant": "fp16"})
    folder = Path(card.path)
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / VARIANT)
    prompts = recipes.write_prompts(tmp_path, [{"text": "a red ball"}])
    recipe = recipes.write_recipe(tmp_path, card, prompts)
    command = ("generate", recipe, "--out", tmp_path / "run", "--executor", "local")
    assert call(*command).code == 0
    assert call(*command).code == 0  # the same files: nothing to draw
    nudge(folder / "vae" / WEIGHTS)
    refused = call(*command)
    assert refused.code == 2
    assert "card_sha256" in refused.err
