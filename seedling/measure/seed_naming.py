"""Whether a picture gives away its seed: `python -m seedling.measure.seed_naming --model NAME`.

A small convolutional network is trained to name the seed among 64 from pictures of some objects,
and tested on objects that it never saw. The same with seeds that are scrambled, one fresh seed
for every picture, is the control: it must stay at chance.
"""

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn
from torch.nn import functional

from seedling.measure.drawing import draw, load_shipped
from seedling.measure.shares import Share, wilson
from seedling.networks.model import VARIANTS, WEIGHTS
from seedling.output import say, write_json
from seedling.randomness import choose, make_generator
from seedling.world.sentences import draw_parts, sentence
from seedling.world.vocabulary import OBJECTS

SEEDS = 64
TEST_EVERY = 4
"""Every fourth object is for the test; its pictures are not trained on."""


@dataclass(frozen=True)
class Pictures:
    """Pictures by seed: float32 (S, P, 3, 64, 64), each standardised by itself."""

    train: Tensor
    test: Tensor


def draw_pictures(
    pipe: StableDiffusionPipeline,
    *,
    prompts: int,
    first_seed: int,
    scrambled: bool,
    guidance: float,
) -> Pictures:
    """Draw every seed on the same prompts.

    Args:
        pipe: The model.
        prompts: How many prompts; their objects go round, so a quarter is for the test.
        first_seed: The first of 64 seeds.
        scrambled: Draw each picture from a fresh seed of its own instead.
        guidance: Guidance scale.

    Returns:
        The pictures, those of held-out objects apart.
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
    return Pictures(images[:, ~held_out], images[:, held_out])


def new_network() -> nn.Sequential:
    """Make the untrained network: (B, 3, 64, 64) to 64 seeds."""
    widths = (3, 24, 48, 96)
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 5, stride=2, padding=2), nn.BatchNorm2d(wide), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 64, SEEDS))


def name_seeds(pictures: Pictures, *, steps: int, seed: int) -> Share:
    """Train on some objects and name the seeds of the others' pictures.

    Args:
        pictures: The pictures.
        steps: Steps of 64 pictures.
        seed: Seed of the order; the first weights are from torch's own stream.

    Returns:
        Share of test pictures whose seed is named, with its interval; chance is 1 in 64.
    """
    generator = make_generator(seed)
    network, count = new_network(), pictures.train.shape[1]
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        whose = choose(64, SEEDS, generator=generator)
        which = choose(64, count, generator=generator)
        loss = functional.cross_entropy(network(pictures.train[whose, which]), whose)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return _tested(network.eval(), pictures.test)


def _tested(network: nn.Module, test: Tensor) -> Share:
    wanted = torch.arange(SEEDS).view(SEEDS, 1).expand(*test.shape[:2]).flatten()
    with torch.no_grad():
        named = [network(chunk).argmax(1) for chunk in torch.split(test.flatten(0, 1), 256)]
    return wilson(int((torch.cat(named) == wanted).sum()), len(wanted))


def main() -> None:
    """Run from the command line, with the control."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=500_000)
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent / "figures")
    chosen = parser.parse_args()
    pipe = load_shipped(chosen.model)
    found = {}
    for name, scrambled in (("seeds", False), ("scrambled", True)):
        pictures = draw_pictures(
            pipe,
            prompts=chosen.prompts,
            first_seed=chosen.seed,
            scrambled=scrambled,
            guidance=VARIANTS[chosen.model].guidance,
        )
        found[name] = vars(name_seeds(pictures, steps=chosen.steps, seed=chosen.seed))
        say(f"{name}: {found[name]}")
    write_json(chosen.out / chosen.model / "seed_naming.json", {"of": SEEDS, **found})


if __name__ == "__main__":
    main()
