"""Draw with a shipped model, one image for each pair of prompt and seed."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from pipeline.cards.card import find_card, resolve
from pipeline.models.networks import load_pipeline
from pipeline.settings.choices import PromptChoice, SeedChoice
from pipeline.settings.recipe import Recipe
from seedling.files import WEIGHTS
from seedling.randomness import make_generator
from seedling.world.sentences import FREE
from seedling.world.vocabulary import OBJECTS, TONES

STEPS, GUIDANCE = 20, 3.0
"""Steps and guidance scale at which trainings are compared; shipped models have their own scale."""


def draw(
    pipe: StableDiffusionPipeline,
    prompts: list[str],
    seeds: list[int],
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> Tensor:
    """Draw one image per prompt, each from its own seed: float32 (B, 3, 64, 64) in 0..1."""
    batches = []
    for start in range(0, len(prompts), 32):
        batch = slice(start, start + 32)
        generators = [make_generator(seed) for seed in seeds[batch]]
        batches.append(
            pipe(
                prompts[batch],
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=generators,
                output_type="pt",
            ).images
        )
    return torch.cat(batches)


def load_pipe(folder: Path = WEIGHTS / "seedling-mini") -> StableDiffusionPipeline:
    """Read a shipped model in fp32, without a progress bar."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_shipped(model: str) -> StableDiffusionPipeline:
    """Read a shipped model from its card's folder and parts, in fp32, as runs do.

    Args:
        model: Name of its card, or a path to one.

    Returns:
        The pipeline, without a progress bar.

    Raises:
        ModelError: If a folder is missing, or does not load.
    """
    card = find_card(model)
    files = resolve(card)
    prompts, seeds = PromptChoice(source="seedling"), SeedChoice(count=1)  # any: none is read
    recipe = Recipe(name=card.name, card=model, prompts=prompts, seeds=seeds)
    (config,) = recipe.run_configs(files).values()
    pipe: StableDiffusionPipeline = load_pipeline(card, files, config, "StableDiffusionPipeline")
    return pipe


COUNT = 80
"""Number of images per tone: each object twice."""


def prompt_parts(tone: str) -> Tensor:
    """Parts of the prompts of a tone, int64 (80, 4): each object twice, nothing else named."""
    things = torch.arange(COUNT) % len(OBJECTS)
    named = torch.full((COUNT, 4), FREE)
    named[:, 0], named[:, 3] = things, list(TONES).index(tone)
    return named
