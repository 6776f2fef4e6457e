"""Train `perceptual` or `recogniser` on scenes: `python -m seedling.train.perceptual`."""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import ResNetModel

from seedling.files import CHECKPOINTS, WEIGHTS, say
from seedling.learning.degrade import augmented
from seedling.learning.loop import Budget, Loop
from seedling.learning.pool import decode, labels_of, make_pool
from seedling.learning.trained import load_vae
from seedling.networks import recogniser
from seedling.randomness import choose, make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts

ROUND_TRIPS = 0.25
"""Share of training images that were encoded and decoded by the autoencoder."""


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
    """Train backbone and heads, or resume an interrupted training.

    Args:
        vae: The trained autoencoder, whose round trips look like a model's images.
        budget: How long, and the learning rate; making the round trips is not counted.
        seed: Seed of the scenes; initial weights come from torch's global stream.
        name: A key of `recogniser.WIDTHS`; also the name of the checkpoint.
        batch: Images per step, a quarter of them round trips.
        trips: Number of scenes that go through the autoencoder once and are reused.
        folder: Folder of the checkpoint.

    Returns:
        Backbone and heads in eval mode.
    """
    pool = make_pool(vae, count=trips, seed=seed)
    decoded = decode(vae, pool.latents)
    generator = make_generator(seed + 1)
    backbone = recogniser.new_backbone(name)
    heads = recogniser.new_heads(recogniser.WIDTHS[name][-1])
    loop = Loop(name, {"backbone": backbone, "heads": heads}, budget, generator, folder=folder)
    reused = int(batch * ROUND_TRIPS)
    while loop.running():
        rows = choose(reused, len(decoded), generator=generator)
        scenes = draw_scenes(draw_parts(batch - reused, generator=generator), generator=generator)
        images = augmented(torch.cat([scenes.images, decoded[rows]]), generator=generator)
        labels = torch.cat([labels_of(scenes.specs), pool.labels[rows]])
        vectors = recogniser.features(backbone, images)
        loop.step(recogniser.recognition_loss(heads, vectors, labels))
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
    options = parser.parse_args()
    backbone, heads = train(
        load_vae(options.folder),
        budget=Budget(options.minutes, options.rate),
        seed=options.seed,
        name=options.name,
        folder=options.folder,
    )
    out = WEIGHTS / options.name
    recogniser.publish(backbone, heads, folder=out)
    say(f"wrote {out}")


if __name__ == "__main__":
    main()
