"""Which stage of a cascade decides the picture? One stage draws from one seed in all images.

DALL-E 2's design draws an embedding and then pixels from it, Imagen's a small picture and then a
larger one; each stage draws noise, and a seed names the noise of all of them. Here one stage
takes the same seed's noise whatever the image's own is, and all other stages keep their own:
what seeds still do to the pictures, the other stages' noise does. Set beside the baseline by the
seed's share of a measure (study `share_changes`, recipe cascade-stages): the stage without which
the seed's share is gone is the one that decided.

A stage after the one that is held begins with the numbers that the held stage would have used.
They are the image's own seed's, as without the intervention, but not the same ones, so compare
what seeds do, not image with image.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, other_seed, whole
from pipeline.noise import make_generators

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig


class StageSeed(Intervention):
    """One stage's noise from one seed for all images.

    Args:
        parameters: `stage`, which one, from 0; `seed`, whose noise it takes, or null for each
            image's own (the neutral case).

    Raises:
        ValueError: If a parameter is missing, unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("stage", "seed")
    required = known
    neutral: ClassVar[dict[str, object]] = {"stage": 0, "seed": None}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.stage = whole("stage", parameters["stage"], low=0)
        self.seed = other_seed(parameters["seed"])
        self._spec = "torch-cpu"

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse a card without such a stage beside others.

        Raises:
            ModelError: If the card is no cascade, or has too few stages.
        """
        count = len(card.stages)
        if count < 2 or self.stage >= count:
            raise ModelError(
                f"stage_seed holds stage {self.stage} (from 0) of a cascade; card {card.name} has "
                f"{max(count, 1)} stage{'s' if count > 1 else ''}"
            )
        self._spec = config.noise

    def stage_generators(
        self, stage: int, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """New generators of the one seed, for the stage that is held."""
        if stage != self.stage or self.seed is None:
            return generators
        return make_generators([self.seed] * len(batch.seeds), spec=self._spec)
