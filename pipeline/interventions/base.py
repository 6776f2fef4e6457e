"""What an intervention is: hooks around sampling, each neutral by default."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import torch  # a plan asks for the size of a group alone, and does without

    from pipeline.cards import Card
    from pipeline.config import RunConfig
    from pipeline.models.base import Batch


class Intervention:
    """A change of sampling; this class itself changes nothing.

    Args:
        parameters: The recipe's `intervention.parameters`.

    Attributes:
        neutral: Parameters that give the baseline, or None if there are none.
        neutral_tolerance: Largest difference of a neutral pixel from the baseline's, of 255.
        group_size: Images that must be drawn together: one prompt with so many seeds in a row,
            the first of them a multiple of this number (see `pipeline/groups.py`).
    """

    neutral: ClassVar[Mapping[str, Any] | None] = None
    neutral_tolerance: ClassVar[int] = 0
    group_size: ClassVar[int] = 1

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        if parameters:
            raise ValueError(f"unknown parameters: {', '.join(sorted(parameters))}")

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Look at the run's settings once per actor, before `prepare`.

        The pipe has the run's scheduler. What an intervention cannot work with is refused here,
        before the first image; what it needs of the settings it keeps.

        Raises:
            ModelError: If it cannot work with them.
        """

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Change the loaded pipe, once per actor, before it is compiled."""
        return pipe

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """The random stream of each image, by default its seed.

        A hook of its own, rather than a use of `latents`, because the starting noise and the
        step noise of an image come from one generator: both must follow.
        """
        return batch.seeds

    def generators(
        self, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Choose the streams of the step noise.

        Args:
            generators: One per image, already moved past its starting noise.
            batch: The cells.

        Returns:
            As many; the sampler draws each step's noise from this very list.
        """
        return generators

    def latents(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
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

    def pixels(self, pixels: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Change the decoded pictures.

        Args:
            pixels: (B, 3, H, W) floats, about [-1, 1], finite, not yet clamped.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return pixels

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Undo `prepare`: afterwards the pipe gives the baseline bit for bit."""
