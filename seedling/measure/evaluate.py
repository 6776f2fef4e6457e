"""Measure the shipped weights, and write figures and contact sheets.

Usage: `python -m seedling.measure.evaluate`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor, nn
from transformers import ResNetModel

from analysis.statistics.distances import Reference, frechet_distance
from pipeline.cards.card import find_card, resolve
from pipeline.models.networks import load_pipeline
from pipeline.settings.choices import PromptChoice, SeedChoice
from pipeline.settings.recipe import Recipe
from seedling.learning.loop import say
from seedling.learning.pool import scene_chunks
from seedling.networks.model import VARIANTS, WEIGHTS, to_images, to_model, write_json
from seedling.networks.recogniser import (
    RECOGNISER,
    features,
    is_colourless,
    load_backbone,
    load_heads,
    recognise,
)
from seedling.randomness import make_generator
from seedling.train.vae import psnr
from seedling.world.painting import brightness
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import FREE, draw_parts, sentence
from seedling.world.vocabulary import EXTREMES, TONES

STEPS, GUIDANCE = 20, 3.0
"""What trainings are compared at; a shipped model has a guidance scale of its own."""
SHEET_PROMPTS = (
    "a red apple in a kitchen",
    "a blue cup in the desert",
    "a horse",
    "a black horse in the snow",
    "a yellow bus on a city street",
    "a pink house at sunset",
    "a green boat on a beach",
    "a dark photo of a white cat in a forest",
    "an oil painting of a guitar",
    "a black and white photo of a car on a city street",
)


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % interval (Wilson 1927)."""

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int, *, z: float = 1.96) -> Share:
    """Estimate a share from independent trials.

    Example:
        >>> wilson(90, 100)
        Share(value=0.9, low=0.826, high=0.945, n=100)
    """
    value = hits / n
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (value * (1 - value) / n + z * z / (4 * n * n)) ** 0.5
    return Share(round(value, 3), round(middle - half, 3), round(middle + half, 3), n)


def draw(
    pipe: StableDiffusionPipeline,
    prompts: list[str],
    seeds: list[int],
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> Tensor:
    """Draw one picture a prompt, each from its own seed: float32 (B, 3, 64, 64) in 0..1."""
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


def accuracy(
    images: Tensor, parts: Tensor, backbone: ResNetModel, heads: nn.ModuleDict
) -> dict[str, Share]:
    """How often the recogniser sees what the prompt names; colour where there is any to see.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1.
        parts: int64 (B, 4), what the prompts name.
        backbone: The recogniser's backbone.
        heads: Its heads.

    Returns:
        A share with interval for object, colour, place and tone.
    """
    seen = recognise(backbone, heads, images)
    shares = {}
    for column, name in enumerate(("object", "colour", "place", "tone")):
        asked = parts[:, column]
        counted = asked != FREE
        if name == "colour":
            counted &= ~is_colourless(parts[:, 3])
        hits = int((seen[name] == asked)[counted].sum())
        shares[name] = wilson(hits, int(counted.sum()))
    return shares


def brightness_by_tone(images: Tensor, parts: Tensor) -> dict[str, tuple[float, float, int]]:
    """Mean brightness of the pictures of each tone, its standard error, and their number."""
    values = brightness(images).mean(dim=(1, 2)).double()
    table = {}
    for tone, name in enumerate(TONES):
        chosen = values[parts[:, 3] == tone]
        table[name] = (
            round(float(chosen.mean()), 4),
            round(float(chosen.std() / len(chosen) ** 0.5), 4),
            len(chosen),
        )
    return table


def contact_sheet(
    pipe: StableDiffusionPipeline,
    path: Path,
    *,
    rows_are_seeds: bool,
    guidance: float,
    prompts: Sequence[str] = SHEET_PROMPTS,
    seeds: int = 10,
) -> None:
    """Draw the same seeds for each of some prompts and write one picture of all."""
    numbers = list(range(1000, 1000 + seeds))
    drawn = [seed for seed in numbers for _ in prompts]
    images = draw(pipe, [*prompts] * seeds, drawn, guidance=guidance)
    grid = images.view(seeds, len(prompts), *images.shape[1:])
    if not rows_are_seeds:
        grid = grid.transpose(0, 1)
    write_sheet(grid, path)


def write_sheet(grid: Tensor, path: Path) -> None:
    """Write pictures (rows, columns, 3, H, W) in 0..1 as one file."""
    rows, columns, _, height, width = grid.shape
    whole = grid.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    pixels = (whole * 255).round().to(torch.uint8).numpy()
    Image.fromarray(np.asarray(pixels)).save(path, optimize=True)


def measure(
    pipe: StableDiffusionPipeline, *, count: int, seed: int, guidance: float
) -> dict[str, object]:
    """Measure drawn pictures beside true scenes of the same prompts.

    Args:
        pipe: The shipped model, fp32.
        count: How many prompts, each with a seed of its own.
        seed: Seed of prompts, seeds and scenes; none of them was trained on.
        guidance: Guidance scale.

    Returns:
        The figures by name.
    """
    backbone, heads = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    generator = make_generator(seed)
    parts = draw_parts(count, generator=generator)
    prompts = [sentence(row) for row in parts.tolist()]
    started = time.monotonic()
    seeds = list(range(seed * 10_000, seed * 10_000 + count))
    images = draw(pipe, prompts, seeds, guidance=guidance)
    seconds = time.monotonic() - started
    scenes = draw_scenes(parts, generator=generator).images
    decibels = torch.cat([psnr(pipe.vae, chunk) for chunk, _ in scene_chunks(512, seed + 1)])
    return {
        "n": count,
        "steps": STEPS,
        "guidance_scale": guidance,
        "images_per_second": round(count / seconds, 2),
        "threads": torch.get_num_threads(),
        "psnr_db": (round(float(decibels.mean()), 2), round(float(decibels.std()), 2), 512),
        "drawn": {k: vars(v) for k, v in accuracy(images, parts, backbone, heads).items()},
        "world": {k: vars(v) for k, v in accuracy(scenes, parts, backbone, heads).items()},
        "frechet_perceptual": distances(images, seed + 2),
        "brightness_drawn": brightness_by_tone(images, parts),
        "brightness_world": brightness_by_tone(scenes, parts),
    }


def distances(images: Tensor, seed: int) -> dict[str, object]:
    """Frechet distance of drawn pictures from fresh scenes, beside that of other fresh scenes.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1, drawn on prompts of `draw_parts`.
        seed: Seed of the scenes.

    Returns:
        `drawn` and `floor`, on the `perceptual` feature at the same n, and both n.
    """
    backbone = load_backbone()
    others = torch.cat([chunk for chunk, _ in scene_chunks(4 * len(images), seed)])
    fresh = torch.cat([chunk for chunk, _ in scene_chunks(len(images), seed + 1)])
    reference = Reference.from_features(embedded(backbone, others))
    return {
        "drawn": round(frechet_distance(embedded(backbone, images), reference), 3),
        "floor": round(frechet_distance(embedded(backbone, fresh), reference), 3),
        "n": len(images),
        "reference_n": len(others),
    }


def embedded(backbone: ResNetModel, images: Tensor) -> Tensor:
    """The `perceptual` feature of pictures, float32 (B, 32)."""
    with torch.no_grad():
        return torch.cat([features(backbone, chunk) for chunk in torch.split(images, 128)])


def reconstructions(pipe: StableDiffusionPipeline, path: Path, *, seed: int) -> None:
    """Write scenes and, below each, what the autoencoder gives back."""
    scenes, _ = next(scene_chunks(24, seed))
    with torch.no_grad():
        latents = pipe.vae.encode(to_model(scenes)).latent_dist.mode()
        back = to_images(pipe.vae.decode(latents).sample)
    pairs = torch.stack([scenes[:12], back[:12], scenes[12:], back[12:]])
    write_sheet(pairs, path)


def load_pipe(folder: Path = WEIGHTS / "seedling-mini") -> StableDiffusionPipeline:
    """Read a shipped model in fp32, without a progress bar."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_shipped(model: str) -> StableDiffusionPipeline:
    """Read a shipped model as it is drawn with: from its card's folder and parts, in fp32.

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


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    chosen = parser.parse_args()
    out = WEIGHTS.parent / "figures" / chosen.model
    out.mkdir(parents=True, exist_ok=True)
    pipe, guidance = load_shipped(chosen.model), VARIANTS[chosen.model].guidance
    for name, rows_are_seeds, prompts in (
        ("seeds_by_prompts", True, SHEET_PROMPTS),
        ("prompts_by_seeds", False, SHEET_PROMPTS),
        ("extremes", False, EXTREMES),
    ):
        path = out / f"{name}.png"
        contact_sheet(pipe, path, rows_are_seeds=rows_are_seeds, guidance=guidance, prompts=prompts)
    reconstructions(pipe, out / "reconstructions.png", seed=chosen.seed)
    figures = measure(pipe, count=chosen.count, seed=chosen.seed, guidance=guidance)
    write_json(out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
