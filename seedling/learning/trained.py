"""Read what earlier trainings left in the checkpoint folder: autoencoder, pool and networks."""

from pathlib import Path

from diffusers import AutoencoderKL
from safetensors.torch import load_file

from seedling.learning.loop import CHECKPOINTS, read_checkpoint, snapshot_path
from seedling.learning.pool import Pool, load_or_make
from seedling.networks.model import VARIANTS, WEIGHTS, new_vae
from seedling.networks.text_to_image import Networks, new_networks
from seedling.output import say

POOL_SEED = 3
"""Seed of the scenes that all variants are trained on."""


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


def latent_scale(folder: Path = CHECKPOINTS) -> float:
    """Scale factor of the latents, measured on the pool that the model was trained on."""
    return 1 / float(load_file(folder / "pool.safetensors")["latents"].float().std())


def trained_networks(
    model: str, folder: Path = CHECKPOINTS, *, step: int | None = None
) -> Networks:
    """Read the moving averages of noise predictor and text encoder from their checkpoint.

    Args:
        model: One of `VARIANTS`.
        folder: Where its checkpoints are.
        step: Of the averages kept after so many steps; None for those at the end.
    """
    networks = new_networks(VARIANTS[model])
    averages = (
        read_checkpoint(folder / f"{model}.pt")["averages"]
        if step is None
        else read_checkpoint(snapshot_path(model, step, folder))
    )
    networks.unet.load_state_dict(averages["unet"])
    networks.text_encoder.load_state_dict(averages["text"])
    return networks
