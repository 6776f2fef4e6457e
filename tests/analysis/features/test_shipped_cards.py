"""Test that cards of shipped weights pin each of their files, so that damaged files are refused."""

import shutil
from pathlib import Path

import pytest

from analysis.features.cards import PATTERNS, FeatureCard, cards, find_weights, weights_sha256
from pipeline.errors import ModelError
from tests.analysis.features.card_files import file_sha256

PROJECT = Path(__file__).parents[3]
SHIPPED = {
    name: card for name, card in cards().items() if card.path.startswith("seedling/weights/")
}


def read_files(card: FeatureCard) -> dict[str, str]:
    """Compute the sha256 of each file that is read of a card's weights."""
    path = PROJECT / card.path
    files = [path] if path.is_file() else [f for pattern in PATTERNS for f in path.glob(pattern)]
    return {file.name: file_sha256(file) for file in files}


def pinned(card: FeatureCard) -> dict[str, str]:
    return {Path(card.path).name: card.sha256} if card.sha256 else card.files


def test_all_cards_of_shipped_weights_are_looked_at() -> None:
    judges = {f"{name}-seedling" for name in ("clip", "preference", "segmenter", "depth")}
    assert set(SHIPPED) == judges | {"gram-seedling"}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_file_is_the_one_that_its_card_pins(name: str) -> None:
    found, said = read_files(SHIPPED[name]), pinned(SHIPPED[name])
    wanted = "\n".join(f"    {file}: {sha256}" for file, sha256 in sorted(found.items()))
    assert found == said, (
        f"the weights of {name} are not those of its card. If they were trained anew, put the new "
        f"sha256 into analysis/features/cards.yaml:\n{wanted}\nelse restore the files"
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_a_pin_names_the_weights_as_their_files_did(name: str) -> None:
    """Features measured before the cards pinned files keep their identity."""
    loose = SHIPPED[name].model_copy(update={"sha256": "", "files": {}})
    assert weights_sha256(SHIPPED[name]) == weights_sha256(loose)


@pytest.mark.parametrize("name", SHIPPED)
def test_damaged_weights_are_refused_under_the_old_name(name: str, tmp_path: Path) -> None:
    card, place = SHIPPED[name], PROJECT / SHIPPED[name].path
    copied = tmp_path / place.name
    (shutil.copytree if place.is_dir() else shutil.copy)(place, copied)
    moved = card.model_copy(update={"path": str(copied)})
    assert find_weights(moved) == copied
    (file,) = copied.glob("*.safetensors") if copied.is_dir() else [copied]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match="the file is damaged or another file"):
        find_weights(moved)
    assert weights_sha256(moved) == weights_sha256(card)
