"""Estimate shares and means with 95 % intervals, and the accuracy of images by the recogniser."""

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import ResNetModel

from seedling.networks.recogniser import is_colourless, recognise
from seedling.world.sentences import FREE


@dataclass(frozen=True)
class Share:
    """A share of n trials with its 95 % interval (Wilson 1927)."""

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int, *, z: float = 1.96) -> Share:
    """Estimate a share from independent trials.

    Example:
        >>> wilson(90, 100)
        Share(value=0.9, low=0.826, high=0.945, n=100)
    """
    value = hits / n
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (value * (1 - value) / n + z * z / (4 * n * n)) ** 0.5
    return Share(round(value, 3), round(middle - half, 3), round(middle + half, 3), n)


def mean_of(values: Tensor) -> dict[str, float]:
    """Compute the mean of independent values, its 95 % interval (normal), and their number.

    Example:
        >>> import torch
        >>> mean_of(torch.tensor([0.0, 1.0] * 50))
        {'value': 0.5, 'low': 0.402, 'high': 0.598, 'n': 100}
    """
    mean, half = float(values.mean()), 1.96 * float(values.std() / len(values) ** 0.5)
    estimate = {"value": mean, "low": mean - half, "high": mean + half}
    return {**{name: round(value, 3) for name, value in estimate.items()}, "n": len(values)}


def accuracy(
    images: Tensor, parts: Tensor, backbone: ResNetModel, heads: nn.ModuleDict
) -> dict[str, Share]:
    """Measure how often the recogniser sees what the prompt names.

    Images in tones without colour do not count for the accuracy of the colour.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1.
        parts: int64 (B, 4), what the prompts name.
        backbone: The recogniser's backbone.
        heads: The recogniser's heads.

    Returns:
        Object, colour, place and tone -> share of correct answers.
    """
    recognised = recognise(backbone, heads, images)
    shares = {}
    for column, name in enumerate(("object", "colour", "place", "tone")):
        labels = parts[:, column]
        counted = labels != FREE
        if name == "colour":
            counted &= ~is_colourless(parts[:, 3])
        hits = int((recognised[name] == labels)[counted].sum())
        shares[name] = wilson(hits, int(counted.sum()))
    return shares
