"""Defines what a text-to-image family is: it turns a batch of cells into uint8 images."""

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.devices import choose_device
from pipeline.errors import ModelError, PromptError
from pipeline.interventions.base import Intervention
from pipeline.noise import draw_noise
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig
from pipeline.stage import Uint8Images


class Model(Protocol):
    """A loaded family, ready to draw."""

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None: ...

    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch. An image depends on its own prompt and seed only."""
        ...

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that the text encoder does not read; 0 if it reads all.

        The text is a prompt or the run's negative prompt. Of several encoders, the one that reads
        least counts.
        """
        ...


@runtime_checkable
class ReadsNegatives(Protocol):
    """A model that draws a prompt with its own negative prompt, if it has one."""

    reads_negatives: bool


def refuse_unread_negatives(model: Model, prompts: Iterable[Prompt], card: Card) -> None:
    """Refuse prompts with negative prompts of their own for a family that does not read them.

    Raises:
        PromptError: If there is one.
    """
    reads = isinstance(model, ReadsNegatives) and model.reads_negatives
    if any(prompt.negative for prompt in prompts) and not reads:
        raise PromptError(
            f"prompts have negative prompts of their own, which the family {card.family} does not "
            f"read; remove them, or set `negative_prompt` in the recipe's `sampling`"
        )


def tokens_cut_of(model: Model, batch: Batch) -> list[int]:
    """Count the tokens of each cell's prompt and own negative prompt that are not read."""
    texts = [(prompt.text, prompt.negative) for prompt in batch.prompts]
    return [sum(model.truncated_tokens(text) for text in pair if text) for pair in texts]


@runtime_checkable
class NamesEncoders(Protocol):
    """A model with several text encoders, which can say how much each of them reads."""

    def tokens_cut(self, text: str) -> Mapping[str, int]:
        """Give the name of each encoder's tokenizer -> tokens of the text that it cuts off."""
        ...


@runtime_checkable
class ChecksPrompts(Protocol):
    """A model that cannot draw some prompts, for example classes that it was not trained on."""

    def check_prompts(self, prompts: Collection[Prompt]) -> None:
        """Refuse prompts that the model cannot draw, before the first image.

        Raises:
            PromptError: If there is one.
        """
        ...


def device_of(card: Card) -> torch.device:
    """Choose the device that the card asks for.

    Raises:
        ModelError: If the card needs a GPU and this process sees none.
    """
    return choose_device(
        gpu=card.gpu,
        who=f"card {card.name}",
        instead="take a seedling card, which runs on the CPU",
    )


def require_compiler() -> None:
    """Refuse compiled inference where there is no compiler, instead of silently not compiling.

    Raises:
        ModelError: If there is no C++ compiler; torch.compile needs one even for CUDA graphs'
            host code.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None and shutil.which("clang++") is None:
        raise ModelError(
            f"the recipe asks for compiled inference and there is no C++ compiler ({compiler!r}): "
            f"install g++, or set `compiled: false` (which is another run)"
        )


def to_uint8(pixels: torch.Tensor) -> Uint8Images:
    """Convert floats to bytes as diffusers' `numpy_to_pil` does: times 255, round half to even.

    Args:
        pixels: (B, 3, H, W) in [0, 1].

    Returns:
        (B, H, W, 3) uint8.
    """
    scaled = (pixels.float() * 255).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def changed_pixels(intervention: Intervention, pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Let an intervention change images that a pipeline has decoded and clamped.

    Args:
        intervention: Its `pixels` hook gets values in [-1, 1].
        pixels: (B, 3, H, W) in [0, 1].
        batch: The cells.

    Returns:
        (B, 3, H, W) in [0, 1], finite.
    """
    finite = pixels.nan_to_num(0, 0, 0)
    if not intervention.changes("pixels"):
        return finite  # without the rounding of the conversion below
    return (intervention.pixels(finite * 2 - 1, batch) / 2 + 0.5).clamp(0, 1)


def draw_start(
    batch: Batch, intervention: Intervention, config: RunConfig, shape: tuple[int, int, int]
) -> tuple[torch.Tensor, list[torch.Generator]]:
    """Draw the starting noise of a batch, with the changes of an intervention.

    Args:
        batch: B cells.
        intervention: Change of sampling.
        config: Names the noise spec.
        shape: (C, h, w) of one image's latents.

    Returns:
        The noise, (B, C, h, w) float32 on the CPU, and B generators for the step noise, advanced
        past the starting noise.
    """
    seeds = intervention.noise_seeds(batch)
    noise, generators = draw_noise(seeds, shape, spec=config.noise)
    start = intervention.starting_noise(noise, batch)  # first: seed_swap takes its shape from here
    return start, intervention.step_generators(generators, batch)


def call_arguments(batch: Batch, intervention: Intervention, config: RunConfig) -> dict[str, Any]:
    """Collect the run's settings as arguments for the call of a Stable Diffusion pipeline.

    Args:
        batch: The cells, which the intervention may look at.
        intervention: Change of sampling.
        config: How to sample.
    """
    return {
        "height": config.height,
        "width": config.width,
        "num_inference_steps": config.num_inference_steps,
        "guidance_scale": config.guidance_scale,
        "eta": config.eta,
        "return_dict": False,
        **intervention.call_kwargs(batch),
    }
