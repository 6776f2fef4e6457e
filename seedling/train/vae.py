"""Train the autoencoder on fresh scenes: `python -m seedling.train.vae --minutes 24`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from seedling.files import CHECKPOINTS, say
from seedling.learning.loop import Budget, Loop
from seedling.networks.model import new_vae, to_images, to_vae_range
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts

LATENT_NOISE = 0.05
"""Noise added to the latents in training, in units of their standard deviation."""


def scene_batches(batch: int, *, generator: torch.Generator, chunk: int = 10) -> Iterator[Tensor]:
    """Yield fresh images endlessly, (batch, 3, 64, 64) in 0..1, drawn `chunk` batches at a time."""
    while True:
        parts = draw_parts(batch * chunk, generator=generator)
        images = draw_scenes(parts, generator=generator).images
        yield from torch.split(images, batch)


def reconstruction_loss(
    vae: AutoencoderKL, images: Tensor, *, generator: torch.Generator
) -> Tensor:
    """Loss of one batch: L1 + 2 MSE of pixels in -1..1, L1 of 4 x 4 means, latent regularisers.

    The loss of the means preserves the colour of small objects, whose outlines otherwise dominate
    the loss. The latents are not sampled; a little noise keeps their neighbourhood decodable. The
    regulariser of the log-variance makes the posterior state the same small noise.

    Args:
        vae: The autoencoder.
        images: float32 (B, 3, 64, 64) in 0..1.
        generator: The source of the noise.

    Returns:
        A scalar.
    """
    pixels = to_vae_range(images)
    mean, logvar = vae.quant_conv(vae.encoder(pixels)).chunk(2, dim=1)
    spread = LATENT_NOISE * mean.detach().std()
    noise = torch.randn(mean.shape, generator=generator)
    decoded = vae.decode(mean + spread * noise).sample
    error = decoded - pixels
    variance = (logvar - 2 * torch.log(spread)).square().mean()
    regulariser: Tensor = 1e-4 * (mean.square().mean() + variance)
    means = functional.avg_pool2d(error, 4).abs().mean()
    loss: Tensor = error.abs().mean() + 2 * error.square().mean() + means + regulariser
    return loss


def psnr(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image's reconstruction in dB, shape (B,)."""
    with torch.no_grad():
        latents = vae.encode(to_vae_range(images)).latent_dist.mode()
        decoded = to_images(vae.decode(latents).sample)
    return -10 * torch.log10((decoded - images).square().mean(dim=(1, 2, 3)))


def train(
    *,
    budget: Budget,
    seed: int = 1,
    batch: int = 12,
    folder: Path = CHECKPOINTS,
    channels: tuple[int, ...] = (16, 32, 64, 96),
) -> AutoencoderKL:
    """Train the autoencoder, or resume an interrupted training.

    Args:
        budget: How long, and the learning rate.
        seed: Seed of scenes and noise; initial weights come from torch's global stream.
        batch: Scenes per step.
        folder: Folder of the checkpoint `vae.pt`.
        channels: Widths of the four levels.

    Returns:
        The trained autoencoder.
    """
    generator = make_generator(seed)
    vae = new_vae(channels)
    loop = Loop("vae", {"vae": vae}, budget, generator, folder=folder)
    batches = scene_batches(batch, generator=generator)
    while loop.running():
        images = next(batches)
        # bfloat16 products save a quarter of a step's time on a CPU that supports them.
        with torch.autocast("cpu", torch.bfloat16):
            loss = reconstruction_loss(vae, images, generator=generator)
        loop.step(loss)
    loop.finish()
    return vae.eval()


def main() -> None:
    """Run from the command line and print the PSNR on fresh scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    vae = train(
        budget=Budget(options.minutes, options.rate),
        seed=options.seed,
        batch=options.batch,
        folder=options.folder,
    )
    images = next(scene_batches(256, generator=make_generator(options.seed + 1), chunk=1))
    say(f"PSNR {psnr(vae, images).mean():.2f} dB on 256 fresh scenes")


if __name__ == "__main__":
    main()
