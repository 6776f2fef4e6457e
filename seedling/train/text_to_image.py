"""Train noise predictor and text encoder: `python -m seedling.train.text_to_image --minutes 30`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from seedling.learning.loop import (
    CHECKPOINTS,
    SNAPSHOT_STEPS,
    Budget,
    Loop,
    read_checkpoint,
    say,
    snapshot_path,
)
from seedling.learning.pool import Pool, load_or_make
from seedling.networks.model import (
    VARIANTS,
    WEIGHTS,
    Variant,
    new_scheduler,
    new_text_encoder,
    new_unet,
    new_vae,
)
from seedling.networks.tokenizer import new_tokenizer
from seedling.randomness import choose, happens, make_generator
from seedling.train.text_encoder import teach, token_ids
from seedling.world.extremes import is_extreme
from seedling.world.sentences import FREE, sentence

POOL_SEED = 3
"""Seed of the scenes that all variants are trained on."""
EMPTY_RATE = 0.10
"""Share of training prompts that are empty, for classifier-free guidance."""
NAMED_RATE = 0.75
"""Share of training prompts that name the colour; the same for the place."""
OBJECT_WEIGHT = 3.0
"""How much more an error on the object weighs than one beside it."""
RATE = 8e-3
"""Highest learning rate. After three minutes on one core 3e-3 to 1.2e-2 were alike, with errors on
the object (held-out, weighted) of 0.170 to 0.172; AdamW's best of 1e-3 to 3e-3 left 0.174."""
MAX_SNR = 5.0
"""Signal-to-noise ratio above which a step's error weighs less."""


@dataclass(frozen=True)
class Networks:
    """What is trained together, and what it needs."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler


def new_networks(variant: Variant) -> Networks:
    """Make untrained networks of a variant's sizes."""
    tokenizer = new_tokenizer()
    text_encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    scheduler = new_scheduler(variant.beta_end)
    unet = new_unet(variant.channels, scale_shift=variant.scale_shift)
    return Networks(unet, text_encoder, tokenizer, scheduler)


def take_weights(networks: Networks, folder: Path) -> None:
    """Put the weights of a published model of the same sizes in the networks' place, as fp32."""
    networks.unet.load_state_dict(
        load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    )
    networks.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"))


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


def noise_loss(
    networks: Networks,
    latents: Tensor,
    cover: Tensor,
    prompts: list[str],
    *,
    generator: torch.Generator,
    offset: float = 0.0,
) -> Tensor:
    """Weighted squared error of the predicted noise (Ho et al. 2020, equation 14).

    Steps with little noise weigh less (min-SNR with gamma 5: Hang et al. 2023,
    arXiv:2303.09556, equation 5, for noise prediction), and the object weighs more than what is
    around it, which fills most of a picture.

    Args:
        networks: What is trained.
        latents: float32 (B, 16, 8, 8), scaled to unit variance.
        cover: float32 (B, 8, 8), how much of each latent the object covers, in 0..1.
        prompts: B sentences.
        generator: The source of noise and times.
        offset: Strength of offset noise, see `draw_offset_noise`; the noise with its offset is
            both what is added and what is to be predicted.

    Returns:
        A scalar.
    """
    noise = draw_offset_noise(latents.shape, strength=offset, generator=generator)
    steps = spread_steps(len(latents), generator=generator)
    noisy = networks.scheduler.add_noise(latents, noise, steps)
    states = networks.text_encoder(token_ids(networks.tokenizer, prompts)).last_hidden_state
    predicted = networks.unet(noisy, steps, encoder_hidden_states=states).sample
    errors = picture_errors(predicted - noise, cover)
    weights = step_weights(networks.scheduler)
    loss: Tensor = (weights[steps] * errors).mean() / weights.mean()
    return loss


def picture_errors(errors: Tensor, cover: Tensor) -> Tensor:
    """Mean squared error of each picture (B,), from errors (B, C, h, w) and the objects' cover."""
    where = 1 + OBJECT_WEIGHT * cover
    where = where / where.mean(dim=(1, 2), keepdim=True)
    return (errors.square().mean(dim=1) * where).mean(dim=(1, 2))


def spread_steps(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw times evenly, one from each of `count` equal parts of 0..999, int64 (count,).

    A batch then always holds little noise and much, and its loss varies less (Kingma et al. 2021,
    "Variational Diffusion Models", arXiv:2107.00630, appendix I.1).
    """
    shift = torch.rand(1, generator=generator)
    return ((shift + torch.arange(count) / count) % 1 * 1000).long()


def step_weights(scheduler: DDIMScheduler) -> Tensor:
    """Weight of each step's error, float32 (1000,): min(SNR, 5) / SNR."""
    signal: Tensor = scheduler.alphas_cumprod
    ratio = signal / (1 - signal)
    weights: Tensor = ratio.clamp_max(MAX_SNR) / ratio
    return weights


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
    """Read the trained autoencoder from its checkpoint, or the shipped one where there is none."""
    path = folder / "vae.pt"
    if not path.exists():
        say(f"{path} is not there: the shipped autoencoder is taken")
        shipped = WEIGHTS / "seedling-mini" / "vae"
        vae = AutoencoderKL.from_pretrained(shipped, local_files_only=True).float().eval()
        vae.register_to_config(_name_or_path="")  # else published with a path of this machine
        return vae
    vae = new_vae(channels)
    vae.load_state_dict(read_checkpoint(path)["modules"]["vae"])
    return vae.eval()


def training_pool(vae: AutoencoderKL, folder: Path, *, count: int = 48_000) -> Pool:
    """The encoded scenes that all variants are trained on, made where they are not there yet."""
    return load_or_make(folder / "pool.safetensors", vae, count=count, seed=POOL_SEED)


def pool_scale(pool: Pool) -> float:
    """The latents' scale factor: 1 / their standard deviation."""
    return 1 / float(pool.latents.float().std())


def draw_rows(
    pool: Pool, batch: int, *, generator: torch.Generator, extremes: float = 0.0
) -> Tensor:
    """Draw rows of the pool evenly, and a share of them among its extreme scenes instead.

    Args:
        pool: Encoded scenes.
        batch: How many.
        generator: The source of randomness.
        extremes: See `Variant`.

    Returns:
        int64 (batch,).
    """
    rows = choose(batch, len(pool.latents), generator=generator)
    extreme = is_extreme(pool.parts[:, 0]).nonzero().flatten()
    if not extremes or not len(extreme):
        return rows
    others = extreme[choose(batch, len(extreme), generator=generator)]
    return torch.where(happens(batch, extremes, generator=generator), others, rows)


def draw_batch(
    pool: Pool, scale: float, batch: int, *, generator: torch.Generator, extremes: float = 0.0
) -> tuple[Tensor, Tensor, list[str]]:
    """Draw scaled latents, how much of them the object covers, and prompts for them."""
    rows = draw_rows(pool, batch, generator=generator, extremes=extremes)
    prompts = draw_prompts(pool.parts[rows], generator=generator)
    return pool.latents[rows].float() * scale, pool.cover[rows].float(), prompts


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
    """Train noise predictor and text encoder, or go on with a training that was cut off.

    Args:
        vae: The trained autoencoder; it stays as it is.
        variant: Sizes, schedule and seed; the first weights are from torch's own stream.
        name: The model's name, and that of its checkpoint.
        budget: How long, and the learning rate; making the pool and teaching the text encoder
            to read are not counted.
        batch: Latents a step.
        pool_size: How many encoded scenes to train on; all variants share them.
        reading_steps: Steps that the text encoder reads sentences before.
        begin: Folder of a published model of the same sizes to begin with, where a training is to
            go on whose checkpoint is not at hand; its text encoder can read already.
        folder: Where checkpoints and the pool go.

    Returns:
        The networks with their moving averages in place, and the latents' scale factor.
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
            pool, scale, batch, generator=generator, extremes=variant.extremes
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
    parser.add_argument("--begin", type=Path, default=None, help="a published model to begin with")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    chosen = parser.parse_args()
    _, scale = train(
        load_vae(chosen.folder),
        VARIANTS[chosen.model],
        name=chosen.model,
        budget=Budget(chosen.minutes, chosen.rate),
        batch=chosen.batch,
        begin=chosen.begin,
        folder=chosen.folder,
    )
    say(f"latent scale factor {scale:.4f}")


if __name__ == "__main__":
    main()
