"""Make a VGG of timm's own class, and a network like the seedling's, with tiny random weights."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.vgg import VGG
from transformers import ResNetConfig, ResNetModel

from tests.analysis.features.card_files import write_card_file

LAYERS = "embedder, encoder.stages.0, encoder.stages.1"


def random_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Make a state dict of the network with random weights."""
    generator = torch.Generator().manual_seed(0)
    for name, values in network.named_parameters():
        scale = 0.2 if values.ndim > 1 or "bias" in name else 1.0
        values.data = torch.randn(values.shape, generator=generator) * scale
    return {name: values.contiguous() for name, values in network.state_dict().items()}


def write_card(folder: Path, **changes: object) -> Path:
    """Write a checkpoint of transformers' ResNet, which the seedling uses, and its card."""
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    with torch.random.fork_rng():
        network = ResNetModel(config)
    weights = random_weights(network)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors")
    options = {
        "backbone": "transformers",
        "layers": LAYERS,
        "size": 64,
        "mean": "0.5, 0.4, 0.3",
        "std": "0.2, 0.25, 0.3",
        "sketch": 64,
        **changes,
    }
    return write_card_file(folder, "gram", folder / "model.safetensors", options=options)


def tiny_vgg() -> VGG:
    """Make a VGG of three convolutions; VGG-19 itself is 575 MB."""
    with torch.random.fork_rng():
        return VGG(cfg=[6, "M", 8, "M", 8], num_classes=2, in_chans=3).eval()
