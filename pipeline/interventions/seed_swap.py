"""Swaps the step noise of one seed for another's, to test which part of a seed decides an image.

An image starts from its own seed's noise. From a given step on, its step noise is another seed's:
what that seed's generator draws after its own starting noise and the earlier steps. So a swap at
step 0 combines the start of seed i with the steps of seed j, a later swap keeps the earlier steps
of i, and a swap of a seed with itself gives the baseline bit for bit.

The swap is that of Xu, Zhang & Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828. It needs
a sampler that draws step noise. DDIM at eta = 0 draws none, so a swap would show no effect by
construction.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import (
    Intervention,
    other_seed,
    refuse_video,
    require_argument,
    whole_number,
)
from pipeline.noise import draw_noise

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig

STEP_NOISE = ("DDIMScheduler", "DDPMScheduler", "EulerAncestralDiscreteScheduler")
"""Samplers that draw one noise tensor per step, for each image from its own generator."""


class SeedSwap(Intervention):
    """Takes the step noise of another seed, from a given step on.

    Args:
        parameters: `seed`, whose step noise is taken, or null for each image's own (the neutral
            case); `step`, the first step with the other noise, from 0.

    Raises:
        ValueError: If a parameter is missing, unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("seed", "step")
    required = known
    neutral: ClassVar[dict[str, object]] = {"seed": None, "step": 1}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.seed = other_seed(parameters["seed"])
        self.step = whole_number("step", parameters["step"], low=0)
        self._spec, self._dtype = "torch-cpu", "float32"
        self._shape = (1, 1, 1)
        self._generators: list[torch.Generator] = []
        self._others: list[torch.Generator] = []

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse a run in which the step noise of another seed would have no effect.

        Raises:
            ModelError: If the card draws videos; if the sampler draws no step noise, multiplies it
                by 0, or ends before the swap; or if the pipeline's call has no step callback.
        """
        refuse_video("seed_swap", card, "a video's generator is chosen before its first step")
        name = type(pipe.scheduler).__name__
        if name not in STEP_NOISE:
            raise ModelError(f"seed_swap works with {', '.join(STEP_NOISE)}; found {name}")
        if name == "DDIMScheduler" and config.eta == 0:
            raise ModelError(
                "seed_swap needs step noise, and DDIM at eta 0 draws none: a swap would show no "
                "effect by construction. Set eta above 0 (1.0 is DDPM's noise)"
            )
        # In the last step, the other two samplers draw no noise or multiply it by 0.
        last = config.num_inference_steps - (1 if name == "DDIMScheduler" else 2)
        if self.step > last:
            raise ModelError(
                f"seed_swap starts at step {self.step}, and of {config.num_inference_steps} steps "
                f"(numbered from 0) the last one whose noise enters the image is {last}; take an "
                f"earlier step"
            )
        require_argument("seed_swap", pipe, card, "callback_on_step_end")
        self._spec, self._dtype = config.noise, config.dtype

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Remember the shape; the starting noise remains the image's own."""
        self._shape = (noise.shape[1], noise.shape[2], noise.shape[3])
        return noise

    def step_generators(
        self, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Make the other seed's generators, advanced past its starting noise and earlier steps."""
        import torch  # not needed by a plan, which only checks the parameters

        dtype = getattr(torch, self._dtype)
        seeds = [seed if self.seed is None else self.seed for seed in batch.seeds]
        _, self._others = draw_noise(seeds, self._shape, spec=self._spec)
        for generator in self._others:
            for _ in range(self.step):
                torch.randn((1, *self._shape), generator=generator, dtype=dtype)
        self._generators = list(generators)
        if self.step == 0:
            self._swap()
        return self._generators

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """Ask for a callback at the end of each step."""
        return {"callback_on_step_end": self._after_step}

    def _after_step(
        self,
        pipe: Any,  # noqa: ANN401 - pipes have no common type
        step: int,
        timestep: Any,  # noqa: ANN401 - a number or a tensor
        tensors: dict[str, Any],
    ) -> dict[str, Any]:
        if step + 1 == self.step:
            self._swap()
        return {}

    def _swap(self) -> None:
        """Change the list in place: the sampler holds it and draws every step's noise from it."""
        self._generators[:] = self._others
