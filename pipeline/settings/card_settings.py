"""Gives the settings of a run that its card alone decides; no recipe changes them."""

from typing import Any

from pipeline import models
from pipeline.cards.card import Card
from pipeline.settings.config import own_source_sha256


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
