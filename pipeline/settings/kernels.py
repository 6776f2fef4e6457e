"""Refuses choices of kernels that a card's networks would not use, before anything is loaded."""

from collections.abc import Mapping
from typing import Any

from pipeline.cards.card import Card
from pipeline.errors import ConfigError

KERNELS = ("attention", "channels_last", "tf32", "vae_dtype")
"""The settings that choose kernels, besides `compiled`."""

GPU_ONLY = {"channels_last": (True,), "tf32": ("all", "none"), "attention": ("cudnn",)}
"""Setting -> its values that act on a GPU only."""

UNREAD = {"glide": ("channels_last", "vae_dtype")}
"""Family -> settings that it does not read."""


def check_kernels(where: str, card: Card, settings: Mapping[str, Any], dtype: str) -> None:
    """Refuse kernels that would name another run with the same images.

    Args:
        where: Start of the message.
        card: The card.
        settings: Name -> value, for each of `KERNELS`.
        dtype: The dtype of the networks.

    Raises:
        ConfigError: If a setting acts on a GPU only and the card draws on the CPU, the family does
            not read it, or the dtype of the autoencoder is that of the other networks.
    """
    for name, values in GPU_ONLY.items():
        if settings[name] in values and not card.gpu:
            raise ConfigError(
                f"{where}{name} is {_yaml(settings[name])}, which acts on a GPU only, and card "
                f"{card.name} draws on the CPU; remove {name}"
            )
    for name in UNREAD.get(card.family, ()):
        if settings[name]:
            raise ConfigError(
                f"{where}{name} is set, and the family {card.family} of card {card.name} does not "
                f"read it; remove {name}"
            )
    if settings["vae_dtype"] == dtype:
        raise ConfigError(
            f"{where}vae_dtype is {dtype}, as the other networks are anyway; remove vae_dtype"
        )


def _yaml(value: object) -> str:
    return str(value).lower()
