"""Test if a classifier can name an image's seed: `python -m seedling.measure.seed_naming`.

A small convolutional network is trained to name the seed among 64 from images of some objects, and
is tested on images of other objects. In the control, seeds are scrambled: each image is drawn from
its own fresh seed. The control must stay at chance.
"""

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn
from torch.nn import functional

from seedling.files import FIGURES, say, write_json
from seedling.measure.drawing import draw, load_shipped
from seedling.measure.shares import Share, wilson
from seedling.networks.model import VARIANTS
from seedling.randomness import choose, make_generator
from seedling.world.sentences import draw_parts, sentence
from seedling.world.vocabulary import OBJECTS

SEEDS = 64
TEST_EVERY = 4
"""Every fourth object is held out for the test."""


@dataclass(frozen=True)
class SeedImages:
    """Images by seed: float32 (S, P, 3, 64, 64), each standardised separately."""

    train: Tensor
    test: Tensor


def draw_images(
    pipe: StableDiffusionPipeline,
    *,
    prompts: int,
    first_seed: int,
    scrambled: bool,
    guidance: float,
) -> SeedImages:
    """Draw each seed on the same prompts.

    Args:
        pipe: The model.
        prompts: Number of prompts; their objects cycle, so a quarter is held out for the test.
        first_seed: The first of 64 seeds.
        scrambled: Whether each image is drawn from its own fresh seed instead.
        guidance: Guidance scale.

    Returns:
        The images, split into training objects and held-out objects.
    """
    parts = draw_parts(prompts, generator=make_generator(first_seed))
    parts[:, 0] = torch.arange(prompts) % len(OBJECTS)
    texts = [sentence(row) for row in parts.tolist()]
    seeds = first_seed + torch.arange(SEEDS).view(SEEDS, 1).expand(SEEDS, prompts)
    if scrambled:
        seeds = first_seed + 1_000_000 + torch.arange(SEEDS * prompts)
    images = draw(pipe, texts * SEEDS, seeds.flatten().tolist(), guidance=guidance)
    images = images.view(SEEDS, prompts, *images.shape[1:])
    spread, mean = torch.std_mean(images, dim=(3, 4), keepdim=True)
    images = (images - mean) / (spread + 1e-3)
    held_out = parts[:, 0] % TEST_EVERY == 0
    return SeedImages(images[:, ~held_out], images[:, held_out])


def new_network() -> nn.Sequential:
    """Make an untrained network: (B, 3, 64, 64) to logits of 64 seeds."""
    widths = (3, 24, 48, 96)
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 5, stride=2, padding=2), nn.BatchNorm2d(wide), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 64, SEEDS))


def name_seeds(images: SeedImages, *, steps: int, seed: int) -> Share:
    """Train on some objects and name the seeds of images of the other objects.

    Args:
        images: The images by seed.
        steps: Steps of 64 images.
        seed: Seed of the order; initial weights come from torch's global stream.

    Returns:
        Share of test images whose seed is named correctly, with its interval; chance is 1 in 64.
    """
    generator = make_generator(seed)
    network, count = new_network(), images.train.shape[1]
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        seeds = choose(64, SEEDS, generator=generator)
        prompts = choose(64, count, generator=generator)
        loss = functional.cross_entropy(network(images.train[seeds, prompts]), seeds)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return _tested(network.eval(), images.test)


def _tested(network: nn.Module, test: Tensor) -> Share:
    labels = torch.arange(SEEDS).view(SEEDS, 1).expand(*test.shape[:2]).flatten()
    with torch.no_grad():
        named = [network(chunk).argmax(1) for chunk in torch.split(test.flatten(0, 1), 256)]
    return wilson(int((torch.cat(named) == labels).sum()), len(labels))


def main() -> None:
    """Run from the command line, with the control."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=500_000)
    parser.add_argument("--out", type=Path, default=FIGURES)
    options = parser.parse_args()
    pipe = load_shipped(options.model)
    shares = {}
    for name, scrambled in (("seeds", False), ("scrambled", True)):
        images = draw_images(
            pipe,
            prompts=options.prompts,
            first_seed=options.seed,
            scrambled=scrambled,
            guidance=VARIANTS[options.model].guidance,
        )
        shares[name] = vars(name_seeds(images, steps=options.steps, seed=options.seed))
        say(f"{name}: {shares[name]}")
    write_json(options.out / options.model / "seed_naming.json", {"of": SEEDS, **shares})


if __name__ == "__main__":
    main()
