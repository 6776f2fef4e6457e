"""Gives the card of an arm, and the settings of a run that its card alone decides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import models
from pipeline.cards.card import Card, find_card
from pipeline.cards.other_tools import our_field
from pipeline.settings.config import own_source_sha256
from pipeline.storage.yaml_files import validated


def settings_of(card: Card) -> dict[str, Any]:
    """Give fields of `RunConfig` by name.

    Args:
        card: The card.
    """
    return {
        "safety_checker": card.safety_checker,
        "family_sha256": own_source_sha256(models.MODELS, card.family, "model family"),
        "stages": [stage.identity() for stage in card.stages],
        "frames": card.frames,
        "lora_weights": [lora.weight for lora in card.loras],
        "embedding_tokens": [embedding.token for embedding in card.embeddings],
        "vae_slicing": card.memory.vae_slicing,
        "vae_tiling": card.memory.vae_tiling,
    }


def changed_card(base: Card, arm: str, change: str | Mapping[str, Any]) -> Card:
    """Give the card of an arm.

    Args:
        base: The recipe's card.
        arm: Name of the arm, and of its card if only fields are given.
        change: Name of a card or path of its file, or fields that replace those of `base`.

    Raises:
        ConfigError: If there is no such card, or the fields make none.
    """
    if isinstance(change, str):
        return find_card(change)
    place = {"path", "repo", "revision"} if {"path", "repo"} & set(change) else set()
    kept = {name: getattr(base, name) for name in base.model_fields_set - place}
    fields = {**kept, "name": arm, **change}
    return validated(Card, fields, Path(f"arm {arm}, its card"), synonym=our_field)
