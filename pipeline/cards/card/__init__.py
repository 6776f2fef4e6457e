"""Cards: each entry of `models/cards.yaml` describes one checkpoint.

A card pins what is loaded and how it is sampled. Checkpoints are safetensors folders in the
diffusers layout; no remote code is ever run. This package does not import torch, so plans stay
cheap.
"""

from pipeline.cards.card.by_name import CARDS_FILE, find_card, load_cards
from pipeline.cards.card.fields import IMPORTED, Card, ResolvedCard
from pipeline.cards.card.files import check_drawable, files_sha256, resolve

__all__ = [
    "CARDS_FILE",
    "IMPORTED",
    "Card",
    "ResolvedCard",
    "check_drawable",
    "files_sha256",
    "find_card",
    "load_cards",
    "resolve",
]
