"""Write contact sheets: many images as one file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from seedling.learning.pool import scene_chunks
from seedling.measure.drawing import draw
from seedling.networks.model import to_images, to_vae_range

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


def contact_sheet(
    pipe: StableDiffusionPipeline,
    path: Path,
    *,
    rows_are_seeds: bool,
    guidance: float,
    prompts: Sequence[str] = SHEET_PROMPTS,
    seeds: int = 10,
) -> None:
    """Draw the same seeds for each prompt and write all images as one sheet."""
    numbers = [seed for seed in range(1000, 1000 + seeds) for _ in prompts]
    images = draw(pipe, [*prompts] * seeds, numbers, guidance=guidance)
    grid = images.view(seeds, len(prompts), *images.shape[1:])
    if not rows_are_seeds:
        grid = grid.transpose(0, 1)
    write_sheet(grid, path)


def write_sheet(grid: Tensor, path: Path) -> None:
    """Write images (rows, columns, 3, H, W) in 0..1 as one file."""
    rows, columns, _, height, width = grid.shape
    sheet = grid.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    pixels = (sheet * 255).round().to(torch.uint8).numpy()
    Image.fromarray(np.asarray(pixels)).save(path, optimize=True)


def write_reconstructions(pipe: StableDiffusionPipeline, path: Path, *, seed: int) -> None:
    """Write scenes and, below each, its reconstruction by the autoencoder."""
    scenes, _ = next(scene_chunks(24, seed))
    with torch.no_grad():
        latents = pipe.vae.encode(to_vae_range(scenes)).latent_dist.mode()
        decoded = to_images(pipe.vae.decode(latents).sample)
    pairs = torch.stack([scenes[:12], decoded[:12], scenes[12:], decoded[12:]])
    write_sheet(pairs, path)
