"""Make checkpoints of the real classes with tiny random weights, for features that need a card.

A feature with a card has a line in `CARDS`: a function that writes its checkpoint into a folder,
returns the path of the card beside it, and downloads nothing.
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
"""Feature -> function that writes its tiny checkpoint and returns the path of the card."""


def with_tiny_card(name: str, folder: Path) -> str:
    """Name a feature with its tiny card, if it needs a card."""
    return f"{name}@{CARDS[name](folder)}" if name in CARDS else name
