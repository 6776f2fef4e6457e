"""Plants a seed effect of known size, to test whether the whole pipeline finds it.

One of every 20 consecutive seeds is planted. Its images lose a known part of their contrast,
whatever the prompt: a pixel v in [-1, 1] becomes (1 - strength) v. All other images equal the
baseline bit for bit. A study of such a run must list the planted seeds, stronger ones with fewer
prompts, and must find nothing else that the baseline does not show.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.interventions.base import Intervention, number, whole_number
from pipeline.planted import ONE_IN, STRENGTHS, planted

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch


class SeedPlant(Intervention):
    """Reduces the contrast of the images of a few seeds.

    Args:
        parameters: `strengths` (each in [0, 1], by default 0.05, 0.1, 0.2, 0.4) and `one_in`
            (by default 20).

    Raises:
        ValueError: If a parameter is unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("strengths", "one_in")
    neutral: ClassVar[dict[str, object]] = {"strengths": [0.0], "one_in": 1}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        strengths = parameters.get("strengths", STRENGTHS)
        if not isinstance(strengths, (list, tuple)) or not strengths:
            raise ValueError(f"strengths are {strengths!r}; wanted a list of numbers from 0 to 1")
        self.strengths = tuple(number("a strength", s, low=0, high=1) for s in strengths)
        self.one_in = whole_number("one_in", parameters.get("one_in", ONE_IN), low=1)

    def pixels(self, pixels: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Reduce the contrast of planted seeds; the images of other seeds stay as they are."""
        changed = pixels.clone()
        for row, seed in enumerate(batch.seeds):
            strength = planted(seed, strengths=self.strengths, one_in=self.one_in)
            if strength:
                # Clamp first: values that are only clamped later would keep their contrast.
                changed[row] = pixels[row].clamp(-1, 1) * (1 - strength)
        return changed
