"""Cards of models: complete, and named by the files that define the model."""

from pathlib import Path

import pytest

from pipeline.cards.card import Card, files_sha256, find_card, load_cards, resolve
from pipeline.errors import ConfigError, ModelError


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
