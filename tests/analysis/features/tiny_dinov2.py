"""Make a DINOv2 of transformers' own class with tiny random weights."""

from pathlib import Path

import torch
from transformers import Dinov2Config, Dinov2Model

from tests.analysis.features.card_files import write_card_file

WIDTH = 24


def write_card(folder: Path) -> Path:
    """Write a checkpoint and its card."""
    config = Dinov2Config(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=70,
        patch_size=14,
        mlp_ratio=2,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        network = Dinov2Model(config)
    for values in network.parameters():
        values.data = torch.randn(values.shape, generator=generator) * 0.2
    network.save_pretrained(folder / "dinov2")
    return write_card_file(folder, "dinov2", folder / "dinov2", options={"width": WIDTH})
