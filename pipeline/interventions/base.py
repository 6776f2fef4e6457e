"""What an intervention is: hooks around sampling, each neutral by default."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from pipeline.cards import Card
    from pipeline.models.base import Batch


class Intervention:
    """A change of sampling; this class itself changes nothing.

    Args:
        parameters: The recipe's `intervention.parameters`.

    Attributes:
        neutral: Parameters that give the baseline, or None if there are none.
        group_size: Images that must be drawn together.
    """

    neutral: ClassVar[Mapping[str, Any] | None] = None
    group_size: ClassVar[int] = 1

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        if parameters:
            raise ValueError(f"unknown parameters: {', '.join(sorted(parameters))}")

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Change the loaded pipe, once per actor, before it is compiled."""
        return pipe

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """The random stream of each image, by default its seed.

        A hook of its own, rather than a use of `latents`, because the starting noise and the
        step noise of an image come from one generator: both must follow.
        """
        return batch.seeds

    def latents(self, noise: torch.Tensor, batch: "Batch") -> torch.Tensor:
        """Change the starting noise.

        Args:
            noise: (B, C, h, w) float32 on the CPU, not to be modified in place.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return noise

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """More arguments for the pipeline's call."""
        return {}

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Undo `prepare`: afterwards the pipe gives the baseline bit for bit."""
