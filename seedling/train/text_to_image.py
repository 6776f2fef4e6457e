"""Train noise predictor and text encoder: `python -m seedling.train.text_to_image --minutes 30`."""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from seedling.files import CHECKPOINTS, say
from seedling.learning.batches import draw_batch
from seedling.learning.loop import SNAPSHOT_STEPS, Budget, Loop, snapshot_path
from seedling.learning.noise_loss import noise_loss
from seedling.learning.text_encoder import teach
from seedling.learning.trained import load_vae, pool_scale, training_pool
from seedling.networks.model import (
    VARIANTS,
    Variant,
)
from seedling.networks.text_to_image import Networks, new_networks, take_weights
from seedling.randomness import make_generator

RATE = 8e-3
"""Highest learning rate. After three minutes on one core, rates of 3e-3 to 1.2e-2 gave similar
errors on the object (held-out, weighted): 0.170 to 0.172. AdamW's best of 1e-3 to 3e-3: 0.174."""


def train(
    vae: AutoencoderKL,
    variant: Variant,
    *,
    name: str,
    budget: Budget,
    batch: int = 64,
    pool_size: int = 48_000,
    reading_steps: int = 600,
    begin: Path | None = None,
    folder: Path = CHECKPOINTS,
) -> tuple[Networks, float]:
    """Train noise predictor and text encoder, or resume an interrupted training.

    Args:
        vae: The trained autoencoder; it is not changed.
        variant: Sizes, schedule and seed; initial weights come from torch's global stream.
        name: Name of the model and of its checkpoint.
        budget: How long, and the learning rate; making the pool and pretraining the text encoder
            are not counted.
        batch: Latents per step.
        pool_size: Number of encoded scenes to train on; all variants share them.
        reading_steps: Steps of pretraining the text encoder on sentences.
        begin: Folder of a published model of the same sizes to start from, to continue a training
            whose checkpoint is gone; its text encoder is not pretrained again.
        folder: Folder of checkpoints and pool.

    Returns:
        The networks with their moving averages as weights, and the latents' scale factor.
    """
    pool = training_pool(vae, folder, count=pool_size)
    scale = pool_scale(pool)
    generator = make_generator(variant.seed)
    networks = new_networks(variant)
    if begin is None:
        teach(
            networks.text_encoder,
            networks.tokenizer,
            steps=reading_steps,
            seed=variant.seed + 1,
            name=f"{name}-text",
            folder=folder,
        )
    else:
        take_weights(networks, begin)
    modules: dict[str, torch.nn.Module] = {"unet": networks.unet, "text": networks.text_encoder}
    loop = Loop(
        name, modules, budget, generator, folder=folder, averaged=("unet", "text"), muon=True
    )
    while loop.running():
        latents, cover, prompts = draw_batch(
            pool, scale, batch, generator=generator, extreme_share=variant.extreme_share
        )
        loop.step(noise_loss(networks, latents, cover, prompts, generator=generator))
        if loop.steps_done % SNAPSHOT_STEPS == 0:
            torch.save(loop.averages, snapshot_path(name, loop.steps_done, folder))
    loop.finish()
    loop.use_averages()
    return networks, scale


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--begin", type=Path, default=None, help="published model to start from")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    _, scale = train(
        load_vae(options.folder),
        VARIANTS[options.model],
        name=options.model,
        budget=Budget(options.minutes, options.rate),
        batch=options.batch,
        begin=options.begin,
        folder=options.folder,
    )
    say(f"latent scale factor {scale:.4f}")


if __name__ == "__main__":
    main()
