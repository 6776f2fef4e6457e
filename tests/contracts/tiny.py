"""Checkpoints of the real classes with tiny random weights, for features that need a card.

A feature with a card gets a line here: its name and what writes its checkpoint into a folder,
gives the path of the card beside it, and downloads nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.analysis.features import (
    tiny_clip,
    tiny_dinov2,
    tiny_gram,
    tiny_hps,
    tiny_inception,
    tiny_layout,
)

CARDS: Mapping[str, Callable[[Path], Path]] = {
    "clip": tiny_clip.write_card,
    "dinov2": tiny_dinov2.write_card,
    "gram": tiny_gram.write_card,
    "hps": tiny_hps.write_card,
    "inception": tiny_inception.write_card,
    "layout": tiny_layout.write_card,
}
"""Feature -> what writes its tiny checkpoint and gives the card's path."""


def with_tiny_card(name: str, folder: Path) -> str:
    """Give the name of a feature with its tiny card, where it needs one."""
    return f"{name}@{CARDS[name](folder)}" if name in CARDS else name
