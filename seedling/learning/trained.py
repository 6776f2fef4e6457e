"""Read the results of earlier trainings from the checkpoint folder: autoencoder, pool, networks."""

from pathlib import Path

from diffusers import AutoencoderKL
from safetensors.torch import load_file

from seedling.files import CHECKPOINTS, WEIGHTS, say
from seedling.learning.loop import read_checkpoint, snapshot_path
from seedling.learning.pool import Pool, load_or_make
from seedling.networks.model import VARIANTS, new_vae
from seedling.networks.text_to_image import Networks, new_networks

POOL_SEED = 3
"""Seed of the scenes that all variants are trained on."""


def load_vae(
    folder: Path = CHECKPOINTS, channels: tuple[int, ...] = (16, 32, 64, 96)
) -> AutoencoderKL:
    """Read the autoencoder from its checkpoint, or the shipped one if there is no checkpoint."""
    path = folder / "vae.pt"
    if not path.exists():
        say(f"{path} does not exist: using the shipped autoencoder")
        shipped = WEIGHTS / "seedling-mini" / "vae"
        vae = AutoencoderKL.from_pretrained(shipped, local_files_only=True).float().eval()
        vae.register_to_config(_name_or_path="")  # or it is published with a local path
        return vae
    vae = new_vae(channels)
    vae.load_state_dict(read_checkpoint(path)["modules"]["vae"])
    return vae.eval()


def training_pool(vae: AutoencoderKL, folder: Path, *, count: int = 48_000) -> Pool:
    """Read the encoded scenes that all variants are trained on; make them if they are missing."""
    return load_or_make(folder / "pool.safetensors", vae, count=count, seed=POOL_SEED)


def pool_scale(pool: Pool) -> float:
    """Scale factor of the latents: 1 / their standard deviation."""
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
        folder: Folder of its checkpoints.
        step: Step of the averages to read; None for those at the end of the training.
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
