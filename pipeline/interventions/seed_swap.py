"""Which part of a seed decides the picture: its starting noise, or the noise of its steps?

An image starts from its own seed's noise; from a step on, its step noise is another seed's:
what that seed's generator gives once it has drawn its own starting noise and the steps before.
So a swap at step 0 is "start of i, steps of j", a later one keeps i's earlier steps, and a swap
with itself is the baseline bit for bit.

The swap of Xu, Zhang & Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828. It needs a
sampler that draws step noise: DDIM at eta = 0 draws none, so there a swap would show "no
effect" by construction.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import (
    Intervention,
    other_seed,
    refuse_video,
    require_argument,
    whole,
)
from pipeline.noise import draw_noise

if TYPE_CHECKING:
    import torch

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig

STEP_NOISE = ("DDIMScheduler", "DDPMScheduler", "EulerAncestralDiscreteScheduler")
"""Samplers that draw one noise tensor a step, each image's from its own generator."""


class SeedSwap(Intervention):
    """Step noise of another seed, from a step on.

    Args:
        parameters: `seed`, whose step noise is taken, or null for each image's own (the neutral
            case); `step`, the first step with it, from 0.

    Raises:
        ValueError: If a parameter is missing, unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("seed", "step")
    required = known
    neutral: ClassVar[dict[str, object]] = {"seed": None, "step": 1}

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.seed = other_seed(parameters["seed"])
        self.step = whole("step", parameters["step"], low=0)
        self._spec, self._dtype = "torch-cpu", "float32"
        self._shape = (1, 1, 1)
        self._generators: list[torch.Generator] = []
        self._others: list[torch.Generator] = []

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse a run in which no step noise of another seed could be seen.

        Raises:
            ModelError: If the card draws videos, the sampler draws no step noise, multiplies it
                by 0, or ends before the swap, or the pipeline's call shows no steps.
        """
        refuse_video("seed_swap", card, "each is drawn from its own generator, taken beforehand")
        name = type(pipe.scheduler).__name__
        if name not in STEP_NOISE:
            raise ModelError(f"seed_swap works with {', '.join(STEP_NOISE)}; found {name}")
        if name == "DDIMScheduler" and config.eta == 0:
            raise ModelError(
                "seed_swap needs step noise, and DDIM at eta 0 draws none: a swap would show no "
                "effect by construction. Set eta above 0 (1.0 is DDPM's noise)"
            )
        # The last step of the other two draws noise and multiplies it by 0, or draws none.
        last = config.num_inference_steps - (1 if name == "DDIMScheduler" else 2)
        if self.step > last:
            raise ModelError(
                f"seed_swap at step {self.step}: the last step of {config.num_inference_steps} "
                f"whose noise enters the picture is {last}"
            )
        require_argument("seed_swap", pipe, card, "callback_on_step_end")
        self._spec, self._dtype = config.noise, config.dtype

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Remember the shape; the starting noise stays the image's own."""
        self._shape = (noise.shape[1], noise.shape[2], noise.shape[3])
        return noise

    def step_generators(
        self, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Make the other seed's generators, moved past its own start and the earlier steps."""
        import torch  # a plan checks the parameters alone, and does without

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
        """A look at the end of each step."""
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
        """In place: the sampler holds this list and draws every step's noise from it."""
        self._generators[:] = self._others
