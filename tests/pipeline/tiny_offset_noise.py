"""Weights as offset noise training leaves them, tiny and random, for the tiny checkpoint."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from pipeline.cards.card import Card, load_cards, resolve
from tests.pipeline import tiny


def changes(card: Card) -> dict[str, torch.Tensor]:
    """A change of every weight of a card's UNet, a tenth of the weights' own size."""
    unet = UNet2DConditionModel.from_pretrained(str(resolve(card).folder / "unet"))
    generator = torch.Generator().manual_seed(5)
    return {
        name: 0.1 * torch.randn(weight.shape, generator=generator) * weight.abs().mean()
        for name, weight in unet.state_dict().items()
    }


def parameters(folder: Path) -> dict[str, str]:
    """Write a difference for the tiny checkpoint and name it."""
    card = tiny.checkpoint(folder / "unet", load_cards()["seedling-mini"])
    file = folder / "offset.safetensors"
    save_file(changes(card), file)
    return {"weights": str(file)}
