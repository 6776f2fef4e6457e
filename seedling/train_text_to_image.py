"""Train noise predictor and text encoder: `python -m seedling.train_text_to_image --minutes 30`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from seedling.model import new_scheduler, new_text_encoder, new_unet, new_vae
from seedling.pool import Pool, load_or_make
from seedling.randomness import choose, happens, make_generator
from seedling.sentences import FREE, sentence
from seedling.tokenizer import new_tokenizer
from seedling.training import CHECKPOINTS, Budget, Loop, say

EMPTY_RATE = 0.10
"""Share of training prompts that are empty, for classifier-free guidance."""
NAMED_RATE = 0.75
"""Share of training prompts that name the colour; the same for the place."""


@dataclass(frozen=True)
class Networks:
    """What is trained together, and what it needs."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler


def new_networks(channels: tuple[int, ...] = (56, 96)) -> Networks:
    """Make untrained networks of the shipped sizes."""
    tokenizer = new_tokenizer()
    text_encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    return Networks(new_unet(channels), text_encoder, tokenizer, new_scheduler())


def draw_prompts(parts: Tensor, *, generator: torch.Generator) -> list[str]:
    """Say what pictures show, leaving out colour, place or everything at the stated rates.

    Args:
        parts: int64 (B, 4), object, colour, place, tone.
        generator: The source of randomness.

    Returns:
        B sentences, some of them empty.
    """
    count = len(parts)
    said = parts.clone()
    for column in (1, 2):
        kept = happens(count, NAMED_RATE, generator=generator)
        said[:, column] = torch.where(kept, said[:, column], FREE)
    empty = happens(count, EMPTY_RATE, generator=generator).tolist()
    variants = choose(count, 6, generator=generator).tolist()
    return [
        "" if silent else sentence(row, variant=variant)
        for row, variant, silent in zip(said.tolist(), variants, empty, strict=True)
    ]


def token_ids(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """Token ids as the pipeline makes them, int64 (B, 24)."""
    ids: Tensor = tokenizer(
        prompts,
        padding="max_length",
        truncation=True,
        return_tensors="pt",
        max_length=tokenizer.model_max_length,
    ).input_ids
    return ids


def noise_loss(
    networks: Networks,
    latents: Tensor,
    prompts: list[str],
    *,
    generator: torch.Generator,
    offset: float = 0.0,
) -> Tensor:
    """Mean squared error of the predicted noise (Ho et al. 2020, equation 14).

    Args:
        networks: What is trained.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        prompts: B sentences.
        generator: The source of noise and times.
        offset: Strength of offset noise, see `draw_offset_noise`; the noise with its offset is
            both what is added and what is to be predicted.

    Returns:
        A scalar.
    """
    noise = draw_offset_noise(latents.shape, strength=offset, generator=generator)
    steps = choose(len(latents), 1000, generator=generator)
    noisy = networks.scheduler.add_noise(latents, noise, steps)
    states = networks.text_encoder(token_ids(networks.tokenizer, prompts)).last_hidden_state
    predicted = networks.unet(noisy, steps, encoder_hidden_states=states).sample
    loss: Tensor = (predicted - noise).square().mean()
    return loss


def draw_offset_noise(
    shape: Sequence[int], *, strength: float, generator: torch.Generator
) -> Tensor:
    """Standard normal noise, and one more number per picture and channel, the same everywhere.

    Args:
        shape: (B, C, h, w).
        strength: Standard deviation of that number; at 0 none is drawn.
        generator: The source of both.

    Returns:
        float32 of that shape. Two positions of a channel have the covariance strength squared.

    Source:
        Guttenberg 2023, "Diffusion with Offset Noise"; diffusers' training flag
        `--noise_offset`.
    """
    noise = torch.randn(tuple(shape), generator=generator)
    if strength:
        noise += strength * torch.randn((shape[0], shape[1], 1, 1), generator=generator)
    return noise


def load_vae(
    folder: Path = CHECKPOINTS, channels: tuple[int, ...] = (16, 32, 64, 96)
) -> AutoencoderKL:
    """Read the trained autoencoder from its checkpoint."""
    vae = new_vae(channels)
    state = torch.load(folder / "vae.pt", weights_only=True)
    vae.load_state_dict(state["modules"]["vae"])
    return vae.eval()


def train(
    vae: AutoencoderKL,
    *,
    budget: Budget,
    seed: int = 3,
    batch: int = 64,
    pool_size: int = 32_000,
    folder: Path = CHECKPOINTS,
    channels: tuple[int, ...] = (56, 96),
) -> tuple[Networks, float]:
    """Train noise predictor and text encoder, or go on with a training that was cut off.

    Args:
        vae: The trained autoencoder; it stays as it is.
        budget: How long, and the learning rate; making the pool is not counted.
        seed: Seed of scenes, prompts and noise; the first weights are from torch's own stream.
        batch: Latents a step.
        pool_size: How many encoded scenes to train on.
        folder: Where the checkpoint `text_to_image.pt` and the pool go.
        channels: Widths of the noise predictor's levels.

    Returns:
        The networks with their moving averages in place, and the latents' scale factor.
    """
    pool = load_or_make(folder / "pool.safetensors", vae, count=pool_size, seed=seed)
    scale = 1 / float(pool.latents.float().std())
    generator = make_generator(seed + 1)
    networks = new_networks(channels)
    modules: dict[str, torch.nn.Module] = {"unet": networks.unet, "text": networks.text_encoder}
    loop = Loop(
        "text_to_image", modules, budget, generator, folder=folder, averaged=("unet", "text")
    )
    while loop.running():
        latents, prompts = _batch(pool, batch, generator=generator)
        loop.step(noise_loss(networks, latents * scale, prompts, generator=generator))
    loop.finish()
    loop.use_averages()
    return networks, scale


def _batch(pool: Pool, batch: int, *, generator: torch.Generator) -> tuple[Tensor, list[str]]:
    rows = choose(batch, len(pool.latents), generator=generator)
    return pool.latents[rows].float(), draw_prompts(pool.parts[rows], generator=generator)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    _, scale = train(
        load_vae(chosen.folder),
        budget=Budget(chosen.minutes, chosen.rate),
        seed=chosen.seed,
        batch=chosen.batch,
        folder=chosen.folder,
    )
    say(f"latent scale factor {scale:.4f}")


if __name__ == "__main__":
    main()
