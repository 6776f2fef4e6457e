"""Small ResNets that recognise what a scene shows: `perceptual` and `recogniser`.

The pooled output of `perceptual` is the feature of that name. `recogniser` is wider and was trained
on other scenes from other initial weights; it measures whether a model follows its prompts, so that
this measurement and the feature come from different networks. Linear heads, stored next to each
backbone, predict objects, colours, places, tones and positions.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetModel

from seedling.files import WEIGHTS, write_json
from seedling.world.sentences import FREE
from seedling.world.vocabulary import COLOURS, PLACES, THINGS, TONES

FOLDER = WEIGHTS / "perceptual"
RECOGNISER = WEIGHTS / "recogniser"
DIMENSIONS = 32
"""Length of the feature `perceptual`."""
WIDTHS: dict[str, tuple[int, ...]] = {
    "perceptual": (32, 64, 128, DIMENSIONS),
    "recogniser": (32, 64, 128, 256),
}
"""Network -> widths of its stages; the last width is the length of its pooled output."""
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
"""Images in 0..1 are normalised by (x - MEAN) / STD before the backbone."""
HEADS = {
    "object": len(THINGS),
    "colour": len(COLOURS),
    "place": len(PLACES),
    "tone": len(TONES),
    "position": 3,
    "flags": 4,
}
"""Name of each head -> number of its outputs. Extreme scenes count as objects; position is
x, y, size; flags are grey, frame, large sky, word."""
COLOURLESS = tuple(list(TONES).index(name) for name in ("mono", "sketch"))
"""Tones that show no colour."""
OBJECT_WEIGHT = 3.0
"""Weight of the object's loss: shapes are learned last, colours and places first."""


def new_backbone(name: str = "perceptual") -> ResNetModel:
    """Make an untrained backbone: (B, 3, 64, 64) normalised to pooled (B, D, 1, 1)."""
    widths = WIDTHS[name]
    return ResNetModel(
        ResNetConfig(
            num_channels=3,
            embedding_size=widths[0],
            layer_type="basic",
            hidden_sizes=list(widths),
            depths=[1, 1, 1, 1],
        )
    )


def new_heads(dimensions: int = DIMENSIONS) -> nn.ModuleDict:
    """Make untrained heads, one linear layer each, for features of the given length."""
    return nn.ModuleDict({name: nn.Linear(dimensions, size) for name, size in HEADS.items()})


def features(backbone: ResNetModel, images: Tensor) -> Tensor:
    """Compute the features of images.

    Args:
        backbone: The backbone; in eval mode except in training.
        images: float32 (B, 3, 64, 64), RGB in 0..1.

    Returns:
        float32 (B, D).
    """
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    pooled: Tensor = backbone((images - mean) / std).pooler_output
    return pooled.flatten(1)


def is_colourless(tone: Tensor) -> Tensor:
    """Whether each tone shows no colour, bool (B,)."""
    return torch.isin(tone, torch.tensor(COLOURLESS))


def recognition_loss(heads: nn.ModuleDict, vectors: Tensor, labels: Tensor) -> Tensor:
    """Sum of the heads' losses; the colour counts only in scenes that show it.

    Args:
        heads: The heads.
        vectors: Features, float32 (B, D).
        labels: float32 (B, 14), as `pool.labels_of` gives them.

    Returns:
        A scalar.
    """
    parts = labels[:, :4].long()
    visible = ~is_colourless(parts[:, 3]) & (labels[:, 7] == 0)
    colour = torch.where(visible, parts[:, 1], FREE)
    loss = OBJECT_WEIGHT * functional.cross_entropy(heads["object"](vectors), parts[:, 0])
    loss = loss + functional.cross_entropy(heads["colour"](vectors), colour, ignore_index=FREE)
    loss = loss + functional.cross_entropy(heads["place"](vectors), parts[:, 2], ignore_index=FREE)
    loss = loss + functional.cross_entropy(heads["tone"](vectors), parts[:, 3], ignore_index=FREE)
    loss = loss + 20 * functional.mse_loss(heads["position"](vectors), labels[:, 4:7])
    flags = functional.binary_cross_entropy_with_logits(heads["flags"](vectors), labels[:, 7:11])
    return loss + flags


def publish(backbone: ResNetModel, heads: nn.ModuleDict, *, folder: Path = FOLDER) -> None:
    """Write backbone, heads and the normalisation of images."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone.save_pretrained(folder)
    aside = folder / ".heads"
    save_file({name: value.contiguous() for name, value in heads.state_dict().items()}, aside)
    aside.replace(folder / "heads.safetensors")
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_mean": list(MEAN),
            "image_std": list(STD),
            "do_normalize": True,
            "do_rescale": False,
            "do_resize": False,
            "size": {"height": 64, "width": 64},
            "range": "RGB in 0..1 before normalisation",
        },
    )


def load_backbone(folder: Path = FOLDER) -> ResNetModel:
    """Read the shipped backbone, fp32, in eval mode."""
    backbone: ResNetModel = ResNetModel.from_pretrained(folder, dtype=torch.float32)
    return backbone.eval()


def load_heads(folder: Path = FOLDER) -> nn.ModuleDict:
    """Read the shipped heads."""
    weights = load_file(folder / "heads.safetensors")
    heads = new_heads(weights["object.weight"].shape[1])
    heads.load_state_dict(weights)
    return heads.eval()


def recognise(backbone: ResNetModel, heads: nn.ModuleDict, images: Tensor) -> dict[str, Tensor]:
    """Recognise what images show.

    Args:
        backbone: The backbone, in eval mode.
        heads: The heads.
        images: float32 (B, 3, 64, 64) in 0..1.

    Returns:
        `object`, `colour`, `place`, `tone`: int64 (B,); `position`: float32 (B, 3);
        `flags`: bool (B, 4).
    """
    with torch.no_grad():
        vectors = torch.cat([features(backbone, chunk) for chunk in torch.split(images, 128)])
        labels = {
            name: heads[name](vectors).argmax(1) for name in ("object", "colour", "place", "tone")
        }
        labels["position"] = heads["position"](vectors)
        labels["flags"] = heads["flags"](vectors) > 0
    return labels
