"""Starts between two seeds: the noise is rotated from an image's own seed towards another seed.

This shows how far a seed's effect reaches: whether the noise near a golden seed is golden, too, and
whether a layout changes gradually or in jumps on the way from one seed to another.

The way is along the sphere (Shoemake 1985, "Animating rotation with quaternion curves", section
3.3), because noise of almost the same length is what a model expects; the straight way would pass
through shorter noise. Both noises are taken as one long vector. A1111's "variation strength"
rotates parts of the noise one by one, so its images between two seeds are others.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.interventions.base import Intervention, number, other_seed
from pipeline.noise import draw_noise

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig


class SeedBlend(Intervention):
    """Rotates the starting noise towards that of another seed. Step noise stays the image's own.

    Args:
        parameters: `seed`, the other seed; `strength`, from 0 (the image's own noise) to 1 (the
            other seed's).

    Raises:
        ValueError: If a parameter is missing, unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("seed", "strength")
    required = known
    neutral: ClassVar[dict[str, object]] = {"seed": 0, "strength": 0.0}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        seed = other_seed(parameters["seed"])
        if seed is None:
            raise ValueError("seed is missing: wanted the seed whose noise is blended in")
        self.seed = seed
        self.strength = number("strength", parameters["strength"], low=0.0, high=1.0)
        self._spec = "torch-cpu"

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Keep the rule by which the run's noise is drawn."""
        self._spec = config.noise

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Rotate each image's noise by `strength` times the angle to the other seed's noise."""
        shape = (noise.shape[1], noise.shape[2], noise.shape[3])
        other, _ = draw_noise([self.seed], shape, spec=self._spec)
        return rotate(noise, other.expand_as(noise), self.strength)


def rotate(start: "torch.Tensor", end: "torch.Tensor", strength: float) -> "torch.Tensor":
    """Interpolate along the sphere.

    Args:
        start: (B, ...) float32; each element of the batch is one vector.
        end: The same shape.
        strength: From 0, which gives `start`, to 1, which gives `end`.

    Returns:
        The same shape. Where the angle is 0, `start`.

    Example:
        >>> import torch
        >>> middle = rotate(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 0.5)
        >>> [round(value, 3) for value in middle[0].tolist()]
        [1.414, 1.414]
    """
    import torch

    left, right = start.flatten(1).double(), end.flatten(1).double()
    cosine = torch.nn.functional.cosine_similarity(left, right, dim=1)
    angle = torch.acos(cosine.clamp(-1, 1)).unsqueeze(1)
    scale = torch.sin(angle).clamp_min(torch.finfo(torch.float64).tiny)
    mixed = (torch.sin((1 - strength) * angle) * left + torch.sin(strength * angle) * right) / scale
    return torch.where(angle > 1e-6, mixed, left).to(start.dtype).reshape(start.shape)
