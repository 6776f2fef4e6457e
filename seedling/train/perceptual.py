"""Train `perceptual` or `recogniser` on scenes: `python -m seedling.train.perceptual`."""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import ResNetModel

from seedling.learning.degrade import augmented
from seedling.learning.loop import CHECKPOINTS, Budget, Loop
from seedling.learning.pool import decode, labels_of, make_pool
from seedling.learning.trained import load_vae
from seedling.networks import recogniser
from seedling.networks.model import WEIGHTS
from seedling.output import say
from seedling.randomness import choose, make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts

ROUND_TRIPS = 0.25
"""Share of training pictures that went through the autoencoder and back."""


def train(
    vae: AutoencoderKL,
    *,
    budget: Budget,
    seed: int = 5,
    name: str = "perceptual",
    batch: int = 64,
    trips: int = 4_000,
    folder: Path = CHECKPOINTS,
) -> tuple[ResNetModel, nn.ModuleDict]:
    """Train backbone and heads, or go on with a training that was cut off.

    Args:
        vae: The trained autoencoder, for pictures as a model would draw them.
        budget: How long, and the learning rate; making the round trips is not counted.
        seed: Seed of the scenes; the first weights are from torch's own stream.
        name: Which of `recogniser.WIDTHS`; also the name of the checkpoint.
        batch: Pictures a step, a quarter of them round trips.
        trips: How many scenes go through the autoencoder once and are used again and again.
        folder: Where the checkpoint goes.

    Returns:
        Backbone and heads in eval mode.
    """
    pool = make_pool(vae, count=trips, seed=seed)
    pictures = decode(vae, pool.latents)
    generator = make_generator(seed + 1)
    backbone = recogniser.new_backbone(name)
    heads = recogniser.new_heads(recogniser.WIDTHS[name][-1])
    loop = Loop(name, {"backbone": backbone, "heads": heads}, budget, generator, folder=folder)
    again = int(batch * ROUND_TRIPS)
    while loop.running():
        rows = choose(again, len(pictures), generator=generator)
        scenes = draw_scenes(draw_parts(batch - again, generator=generator), generator=generator)
        images = augmented(torch.cat([scenes.images, pictures[rows]]), generator=generator)
        labels = torch.cat([labels_of(scenes.specs), pool.labels[rows]])
        found = recogniser.features(backbone, images)
        loop.step(recogniser.recognition_loss(heads, found, labels))
    loop.finish()
    return backbone.eval(), heads.eval()


def main() -> None:
    """Run from the command line and publish the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--name", choices=recogniser.WIDTHS, default="perceptual")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    backbone, heads = train(
        load_vae(chosen.folder),
        budget=Budget(chosen.minutes, chosen.rate),
        seed=chosen.seed,
        name=chosen.name,
        folder=chosen.folder,
    )
    out = WEIGHTS / chosen.name
    recogniser.publish(backbone, heads, folder=out)
    say(f"wrote {out}")


if __name__ == "__main__":
    main()
