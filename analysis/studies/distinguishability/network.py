"""The networks that name the seed of an image, and where in an image they look."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.stage import Uint8Images

SMALL = "small"
"""The default backbone: this project's own, for images of 64 x 64 pixels."""
SMALL_SIZE = 64


class SmallNetwork(nn.Module):
    """Three convolutions, and a linear layer with its own weights for each position.

    A seed fixes where things are, so the last layer reads each position of the 4 x 4 map and does
    not average over them. About 7 million multiplications per image for 1,024 seeds.

    Args:
        classes: Number of seeds.

    Example:
        >>> SmallNetwork(5)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 5])
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            *_stage(3, 48, kernel=4, stride=4),
            *_stage(48, 96, kernel=3, stride=2),
            *_stage(96, 128, kernel=3, stride=2),
        )
        self.head = nn.Linear(128 * 16, classes)

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels (B, 3, H, W) in [-1, 1] to the last features (B, 128, 4, 4)."""
        if pixels.shape[-2:] != (SMALL_SIZE, SMALL_SIZE):
            size = (SMALL_SIZE, SMALL_SIZE)
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        features: torch.Tensor = self.stages(pixels)
        return features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Map the last features to logits (B, classes)."""
        logits: torch.Tensor = self.head(features.flatten(1))
        return logits

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels (B, 3, H, W) in [-1, 1] to logits (B, classes)."""
        return self.forward_head(self.forward_features(pixels))


def _stage(width_in: int, width: int, *, kernel: int, stride: int) -> list[nn.Module]:
    padding = 1 if kernel == 3 else 0
    convolution = nn.Conv2d(width_in, width, kernel, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]


def make_network(backbone: str, classes: int) -> nn.Module:
    """Make an untrained network; its weights come from torch's current random stream.

    Args:
        backbone: "small", or the name of a timm model ("tf_efficientnetv2_s", "resnet18").
        classes: Number of seeds.

    Raises:
        ConfigError: If timm has no such model.
    """
    if backbone == SMALL:
        return SmallNetwork(classes)
    import timm

    if not timm.is_model(backbone):
        raise ConfigError(
            f"backbone {backbone!r} is neither {SMALL!r} nor a model of timm {timm.__version__}; "
            f"timm.list_models() lists them"
        )
    network: nn.Module = timm.create_model(backbone, pretrained=False, num_classes=classes)
    return network


def pixels_of(images: Uint8Images, device: str = "cpu") -> torch.Tensor:
    """Convert images (B, H, W, 3) uint8 to pixels (B, 3, H, W) float32 in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return tensor.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def grad_cam(
    network: nn.Module, pixels: torch.Tensor, classes: torch.Tensor
) -> NDArray[np.float32] | None:
    """Map which parts of each image contribute to a class.

    This is HiResCAM: it weights each position by the gradient there, where Grad-CAM uses the mean
    gradient of all positions. If the head averages over positions, as in most timm models, both
    give the same map. If the head has weights for each position, as in `SmallNetwork`, gradients of
    different positions can cancel in the mean, and Grad-CAM would miss their contributions.

    Args:
        network: Has `forward_features` and `forward_head` as timm models do; in evaluation mode.
        pixels: Shape (B, 3, H, W).
        classes: Shape (B,), int64, the class of interest for each image.

    Returns:
        Shape (B, H, W), in [0, 1], 1 at the largest contribution; None if the last features are
        not a map (a transformer's tokens).

    Source:
        Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391, equations 1 and 2; Draelos and Carin
        2020, "Use HiResCAM instead of Grad-CAM", arXiv:2011.08891. Captum computes the gradients.
    """
    parts = contributions(network, pixels, classes)
    if parts is None:
        return None
    maps = functional.interpolate(parts.relu()[:, None], pixels.shape[-2:], mode="bilinear")[:, 0]
    return np.asarray((maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy())


def contributions(
    network: nn.Module, pixels: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor | None:
    """Compute how much each position of the last features contributes to the logit of a class.

    This is captum's `InputXGradient` of the head. With a linear head, the contributions sum to the
    logit minus its bias.

    Returns:
        Shape (B, h, w); None if the last features are not a map.
    """
    from captum.attr import InputXGradient

    features = network.forward_features(pixels).detach().requires_grad_()  # type: ignore[operator]
    if features.ndim != 4:
        return None
    attributions = InputXGradient(network.forward_head).attribute(features, target=classes)
    total: torch.Tensor = attributions.sum(dim=1).detach()
    return total
