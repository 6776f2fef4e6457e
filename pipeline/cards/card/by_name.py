"""Find a card by its name in `models/cards.yaml`, or read a user's own card file."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from pipeline.cards import adapters
from pipeline.cards.card.fields import Card
from pipeline.cards.other_tools import our_field
from pipeline.cards.own_paths import beside
from pipeline.cards.single_files import is_shipped_config
from pipeline.errors import ConfigError, nearest
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).parents[2] / "models" / "cards.yaml"
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads plain values only; libyaml's, where it is installed, is ten times as fast."""


@cache
def load_cards(path: Path = CARDS_FILE) -> dict[str, Card]:
    """Read all cards of a file, by name."""
    entries = yaml.load(path.read_text(encoding="utf-8"), Loader=SAFE_LOADER)
    return {name: Card(name=name, **entry) for name, entry in entries.items()}


def find_card(name: str) -> Card:
    """Find the card of this name, or read a user's own YAML file.

    A path to a YAML file with one card (without its name) works like a name, so a user's own
    checkpoint needs no change here.

    Raises:
        ConfigError: If there is no such card (the message names the nearest), or if the file is
            malformed.
    """
    cards = load_cards()
    if name in cards:
        return cards[name]
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        fields = {"name": Path(name).stem, **read_mapping(Path(name), "a card")}
        return _beside(validated(Card, fields, Path(name), synonym=our_field), Path(name).parent)
    raise _no_card(name, cards)


def _beside(card: Card, folder: Path) -> Card:
    """Resolve the relative paths of a user's own card, which start at its folder."""
    parts = {
        name: part.model_copy(update={"path": beside(part.path, folder)})
        for name, part in card.parts.items()
    }
    config = card.config if is_shipped_config(card.config) else beside(card.config, folder)
    own = {
        "loras": adapters.beside_all(card.loras, folder),
        "embeddings": adapters.beside_all(card.embeddings, folder),
    }
    changes = {"path": beside(card.path, folder), "parts": parts, "config": config, **own}
    return card.model_copy(update=changes)


def _no_card(name: str, cards: Mapping[str, Card]) -> ConfigError:
    """Say that there is no such card: a missing file, or a name that is not known."""
    own = [str(path) for path in Path(name).parent.glob("*.y*ml")]
    if name.endswith((".yaml", ".yml")):
        return ConfigError(
            f"no card {name}: there is no such file; {nearest(name, own)}".rstrip("; ")
        )
    return ConfigError(
        f"unknown model card {name!r}; {nearest(name, [*cards, *own])}known: {', '.join(cards)}; "
        f"for a card of your own, write the path of its .yaml file"
    )
