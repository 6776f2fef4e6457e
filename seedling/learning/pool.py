"""A pool of encoded scenes: latents with labels of what they show."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from seedling.networks.model import to_images, to_vae_range
from seedling.randomness import make_generator
from seedling.world.extremes import is_extreme
from seedling.world.scenes import Scenes, draw_scenes
from seedling.world.sentences import FREE, draw_parts
from seedling.world.specs import Specs
from seedling.world.vocabulary import COLOURS

CHUNK = 64


@dataclass(frozen=True)
class Pool:
    """Encoded scenes.

    Attributes:
        latents: float16 (N, 16, 8, 8), the autoencoder's mean, unscaled.
        labels: float32 (N, 14), as `labels_of` gives them.
        cover: float16 (N, 8, 8), the share of each latent's 8 x 8 pixels that the object covers.
    """

    latents: Tensor
    labels: Tensor
    cover: Tensor

    @property
    def parts(self) -> Tensor:
        """Object, colour, place and tone as sentences name them, int64 (N, 4)."""
        return self.labels[:, :4].long()


def labels_of(specs: Specs) -> Tensor:
    """Put what scenes show into one table.

    Args:
        specs: The specs of B scenes.

    Returns:
        float32 (B, 14): object, colour, place, tone (indices), x, y, size (fractions), grey,
        frame, large sky, word (0 or 1), depth, horizon, palette. A colour that no sentence names
        is `FREE`, and so are colour, place and tone of an extreme scene.
    """
    extreme = is_extreme(specs.thing)
    unnamed = extreme | (specs.colour >= len(COLOURS))
    columns = (
        specs.thing,
        torch.where(unnamed, FREE, specs.colour),
        torch.where(extreme, FREE, specs.place),
        torch.where(extreme, FREE, specs.tone),
        specs.x,
        specs.y,
        specs.size,
        specs.grey,
        specs.frame,
        specs.large_sky,
        specs.word,
        specs.depth,
        specs.horizon,
        specs.palette,
    )
    return torch.stack([column.float() for column in columns], dim=1)


def fresh_scenes(count: int, seed: int) -> Iterator[Scenes]:
    """Yield `count` fresh scenes in chunks."""
    generator = make_generator(seed)
    for start in range(0, count, CHUNK):
        parts = draw_parts(min(CHUNK, count - start), generator=generator)
        yield draw_scenes(parts, generator=generator)


def scene_chunks(count: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `count` fresh scenes in chunks: images (B, 3, 64, 64) in 0..1 and labels (B, 14)."""
    for scenes in fresh_scenes(count, seed):
        yield scenes.images, labels_of(scenes.specs)


def make_pool(vae: AutoencoderKL, *, count: int, seed: int) -> Pool:
    """Draw and encode fresh scenes.

    Args:
        vae: A trained autoencoder.
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        The pool.
    """
    latents, labels, cover = [], [], []
    with torch.no_grad():
        for scenes in fresh_scenes(count, seed):
            latents.append(vae.encode(to_vae_range(scenes.images)).latent_dist.mode().half())
            labels.append(labels_of(scenes.specs))
            cover.append(functional.avg_pool2d(scenes.masks.float(), 8).half())
    return Pool(torch.cat(latents), torch.cat(labels), torch.cat(cover))


def load_or_make(path: Path, vae: AutoencoderKL, *, count: int, seed: int) -> Pool:
    """Read a pool, or make and write it if there is none, so that a resumed training finds it."""
    if path.exists():
        tensors = load_file(path)
        return Pool(tensors["latents"], tensors["labels"], tensors["cover"])
    pool = make_pool(vae, count=count, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    save_file({field.name: getattr(pool, field.name) for field in fields(pool)}, aside)
    aside.replace(path)
    return pool


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode unscaled latents to images in 0..1, in chunks."""
    with torch.no_grad():
        return torch.cat(
            [to_images(vae.decode(chunk.float()).sample) for chunk in torch.split(latents, CHUNK)]
        )
