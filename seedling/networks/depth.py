"""The exact nearness of every pixel of a scene, and a small depth network that estimates it.

The network is of Depth Anything's class. Nearness is a relative inverse depth as Depth Anything
gives it: larger is nearer, and 0 is infinitely far. It is 0 above the horizon, in the sky and in
whatever stands at the horizon. On the ground it rises linearly from 0 at the horizon to 1 at the
lower edge of the image: for a level camera over a plane, the inverse depth of a row is
proportional to its distance below the horizon (Hoiem et al. 2008, "Putting Objects in
Perspective", section 3). An object is flat and upright. Its nearness falls linearly from 1 at
depth 0 of the world to `FARTHEST` at depth 1, as do its size and, on average, the row that it
stands on. Signs and frames have the nearness of what they cover. An extreme scene has nearness 0
except on the lines of a logo.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessor,
)

from seedling.files import WEIGHTS
from seedling.networks.preference import normalised
from seedling.networks.recogniser import MEAN, STD
from seedling.networks.segmenter import write_folder
from seedling.world.extremes import is_extreme
from seedling.world.painting import axes, column
from seedling.world.specs import Specs

FOLDER = WEIGHTS / "depth"
FARTHEST = 0.1
"""Nearness of an object at depth 1."""
CHUNK = 64
WIDTH, LAYERS, PATCH = 96, 4, 8
OBJECT_WEIGHT = 2.0
"""Weight of the error of an object's mean nearness, relative to the mean over all pixels."""


def object_nearness(depth: Tensor) -> Tensor:
    """Convert the depth of objects, (B,) in 0..1, to nearness.

    Example:
        >>> object_nearness(torch.tensor([0.0, 1.0])).tolist()
        [1.0, 0.10000002384185791]
    """
    return 1 - (1 - FARTHEST) * depth


def depth_map(specs: Specs, masks: Tensor) -> Tensor:
    """Compute the exact nearness of every pixel.

    Args:
        specs: Specs of B scenes.
        masks: bool (B, 64, 64), the objects' pixels.

    Returns:
        float32 (B, 64, 64) in 0..1, larger is nearer.
    """
    _, y = axes()
    horizon = column(specs.horizon)
    ground = ((y - horizon) / (1 - horizon)).clamp(0, 1)
    ground = ground * column(~is_extreme(specs.thing))
    return torch.where(masks, column(object_nearness(specs.depth)), ground.expand(masks.shape))


def new_network() -> DepthAnythingForDepthEstimation:
    """Make an untrained network: images of 64 x 64 in patches of 8 to nearness of 64 x 64."""
    backbone = Dinov2Config(
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        mlp_ratio=3,
        image_size=64,
        patch_size=PATCH,
        out_indices=list(range(1, LAYERS + 1)),
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    network = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=WIDTH,
            neck_hidden_sizes=[24, 32, 48, 64],
            fusion_hidden_size=24,
            head_hidden_size=12,
            patch_size=PATCH,
        )
    )
    nn.init.constant_(network.head.conv3.bias, 0.5)  # above the last ReLU's dead side
    return network


def nearness(network: DepthAnythingForDepthEstimation, images: Tensor) -> Tensor:
    """Estimate the nearness of images (B, 3, 64, 64) in 0..1: (B, 64, 64), larger is nearer."""
    predicted: Tensor = network(normalised(images)).predicted_depth
    return predicted


def estimate(network: DepthAnythingForDepthEstimation, images: Tensor) -> Tensor:
    """Compute `nearness` in chunks and without gradients; the network is in eval mode."""
    with torch.no_grad():
        return torch.cat([nearness(network, chunk) for chunk in torch.split(images, CHUNK)])


def depth_loss(predicted: Tensor, exact: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute error over all pixels, plus the weighted error of each object's mean.

    Args:
        predicted: float32 (B, H, W).
        exact: The same shape.
        masks: bool, the same shape, the objects.

    Returns:
        A scalar. Scale and shift are learned too: all scenes have the same camera, so nearness
        can be compared between images.

    Example:
        >>> exact, mask = torch.ones(1, 2, 2), torch.eye(2).bool()[None]
        >>> depth_loss(exact - 0.5, exact, mask).item(), depth_loss(exact, exact, mask).item()
        (1.5, 0.0)
    """
    count = masks.sum(dim=(1, 2)).clamp_min(1)
    mean = ((predicted - exact) * masks).sum(dim=(1, 2)) / count
    return functional.l1_loss(predicted, exact) + OBJECT_WEIGHT * mean.abs().mean()


def publish(network: nn.Module, folder: Path = FOLDER) -> None:
    """Write network and preprocessing in transformers' layout, weights in fp16.

    Args:
        network: The network.
        folder: Target folder; an earlier one is replaced once the new one is complete.
    """
    pixels = DPTImageProcessor(
        size={"height": 64, "width": 64},
        keep_aspect_ratio=True,
        ensure_multiple_of=PATCH,
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    write_folder(network, folder, pixels)


def load_network(folder: Path = FOLDER) -> DepthAnythingForDepthEstimation:
    """Read the shipped network, fp32, in eval mode."""
    return DepthAnythingForDepthEstimation.from_pretrained(folder, dtype=torch.float32).eval()
