"""Fixes the seed of one stage of a cascade, to test which stage decides the image.

DALL-E 2's design draws an embedding and then pixels from it; Imagen's design draws a small image
and then a larger one. Each stage draws noise, and a seed determines the noise of all stages. Here
one stage takes the noise of the same seed for all images, and all other stages keep the noise of
the image's own seed. What seeds still do to the images is then due to the other stages. The study
`share_changes` (recipe cascade-stages) compares the seed's share of a feature with the baseline:
the stage that makes the seed's share disappear is the one that decides.

A stage after the fixed one starts with the random numbers that the fixed stage would have used.
They come from the image's own seed, but they are not the numbers that this stage has in the
baseline. So compare what seeds do in both runs, not one image with another.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, other_seed, whole_number
from pipeline.noise import make_generators

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig


class StageSeed(Intervention):
    """Draws the noise of one stage from one seed for all images.

    Args:
        parameters: `stage`, the index of the stage, from 0; `seed`, whose noise it takes, or null
            for each image's own (the neutral case).

    Raises:
        ValueError: If a parameter is missing, unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("stage", "seed")
    required = known
    neutral: ClassVar[dict[str, object]] = {"stage": 0, "seed": None}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.stage = whole_number("stage", parameters["stage"], low=0)
        self.seed = other_seed(parameters["seed"])
        self._spec = "torch-cpu"

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse a card that has no such stage, or no other stage.

        Raises:
            ModelError: If the card is not a cascade, or has too few stages.
        """
        count = len(card.stages)
        if count < 2 or self.stage >= count:
            raise ModelError(
                f"stage_seed fixes stage {self.stage} (from 0) of a cascade; card {card.name} has "
                f"{max(count, 1)} stage{'s' if count > 1 else ''}"
            )
        self._spec = config.noise

    def stage_generators(
        self, stage: int, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Make new generators of the one seed for the stage that is fixed."""
        if stage != self.stage or self.seed is None:
            return generators
        return make_generators([self.seed] * len(batch.seeds), spec=self._spec)
