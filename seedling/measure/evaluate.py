"""Measure a shipped model and write numbers and contact sheets.

Usage: `python -m seedling.measure.evaluate --model NAME`.
"""

import argparse
import time
from collections.abc import Callable

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor
from transformers import ResNetModel

from analysis.statistics.distances import Reference, frechet_distance
from seedling.files import FIGURES, say, write_json
from seedling.learning.pool import scene_chunks
from seedling.measure.drawing import STEPS, draw, load_shipped
from seedling.measure.shares import accuracy
from seedling.measure.sheets import SHEET_PROMPTS, contact_sheet, write_reconstructions
from seedling.networks.model import VARIANTS
from seedling.networks.recogniser import (
    RECOGNISER,
    features,
    load_backbone,
    load_heads,
)
from seedling.randomness import make_generator
from seedling.train.vae import psnr
from seedling.world.painting import brightness
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts, sentence
from seedling.world.vocabulary import EXTREMES, TONES


def brightness_by_tone(images: Tensor, parts: Tensor) -> dict[str, tuple[float, float, int]]:
    """Mean brightness of the images of each tone, its standard error, and their number."""
    values = brightness(images).mean(dim=(1, 2)).double()
    table = {}
    for tone, name in enumerate(TONES):
        of_tone = values[parts[:, 3] == tone]
        table[name] = (
            round(float(of_tone.mean()), 4),
            round(float(of_tone.std() / len(of_tone) ** 0.5), 4),
            len(of_tone),
        )
    return table


def measure(
    pipe: StableDiffusionPipeline, *, count: int, seed: int, guidance: float
) -> dict[str, object]:
    """Measure drawn images and true scenes of the same prompts.

    Args:
        pipe: The shipped model, fp32.
        count: Number of prompts, each with its own seed.
        seed: Seed of prompts, seeds and scenes; none of them was used in training.
        guidance: Guidance scale.

    Returns:
        The numbers by name.
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


def distances(
    images: Tensor, seed: int, *, prepared: Callable[[Tensor], Tensor] = lambda scenes: scenes
) -> dict[str, object]:
    """Frechet distances of drawn images and of fresh scenes from a reference of other scenes.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1, drawn on prompts of `draw_parts` or without any.
        seed: Seed of the scenes.
        prepared: Function that gives scenes the resolution of the images.

    Returns:
        `drawn` and `floor` (the distance of fresh scenes), on the `perceptual` feature at the
        same n, and both n.
    """
    backbone = load_backbone()
    scenes = torch.cat([prepared(chunk) for chunk, _ in scene_chunks(4 * len(images), seed)])
    fresh = torch.cat([prepared(chunk) for chunk, _ in scene_chunks(len(images), seed + 1)])
    reference = Reference.from_features(embedded(backbone, scenes))
    return {
        "drawn": round(frechet_distance(embedded(backbone, images), reference), 3),
        "floor": round(frechet_distance(embedded(backbone, fresh), reference), 3),
        "n": len(images),
        "reference_n": len(scenes),
    }


def embedded(backbone: ResNetModel, images: Tensor) -> Tensor:
    """Compute the `perceptual` feature of images, float32 (B, 32)."""
    with torch.no_grad():
        return torch.cat([features(backbone, chunk) for chunk in torch.split(images, 128)])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    options = parser.parse_args()
    out = FIGURES / options.model
    out.mkdir(parents=True, exist_ok=True)
    pipe, guidance = load_shipped(options.model), VARIANTS[options.model].guidance
    for name, rows_are_seeds, prompts in (
        ("seeds_by_prompts", True, SHEET_PROMPTS),
        ("prompts_by_seeds", False, SHEET_PROMPTS),
        ("extremes", False, EXTREMES),
    ):
        path = out / f"{name}.png"
        contact_sheet(pipe, path, rows_are_seeds=rows_are_seeds, guidance=guidance, prompts=prompts)
    write_reconstructions(pipe, out / "reconstructions.png", seed=options.seed)
    figures = measure(pipe, count=options.count, seed=options.seed, guidance=guidance)
    write_json(out / "figures.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
