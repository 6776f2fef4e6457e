"""Write a trained model as a diffusers folder: `python -m seedling.publish --model NAME`."""

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file

from seedling.model import VARIANTS, WEIGHTS
from seedling.tokenizer import world_merges, write_tokenizer
from seedling.train_text_to_image import Networks, load_vae, new_networks
from seedling.training import CHECKPOINTS, read_checkpoint, say

FOLDER = WEIGHTS / "seedling-mini"


def new_pipe(vae: AutoencoderKL, networks: Networks, *, scale: float) -> StableDiffusionPipeline:
    """Put trained parts together, in the precision they have, without a progress bar."""
    vae.register_to_config(scaling_factor=round(scale, 4))
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=networks.text_encoder,
        tokenizer=networks.tokenizer,
        unet=networks.unet,
        scheduler=networks.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def publish(vae: AutoencoderKL, networks: Networks, *, scale: float, folder: Path) -> None:
    """Write the model in fp16 safetensors, in the layout of Stable Diffusion.

    Args:
        vae: The autoencoder.
        networks: Noise predictor, text encoder, tokenizer and scheduler.
        scale: The latents' scale factor, 1 / their standard deviation.
        folder: Where to; an earlier model there is replaced once the new one is whole.
    """
    pipe = new_pipe(vae, networks, scale=scale).to(dtype=torch.float16)
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    pipe.save_pretrained(aside)
    _write_clip_files(aside / "tokenizer")
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def _write_clip_files(folder: Path) -> None:
    """Add CLIP's own two files, so that every version of its tokenizer reads the vocabulary."""
    write_tokenizer(folder, world_merges())


def trained_networks(model: str, folder: Path = CHECKPOINTS) -> Networks:
    """Read the moving averages of noise predictor and text encoder from their checkpoint."""
    networks = new_networks(VARIANTS[model])
    state = read_checkpoint(folder / f"{model}.pt")
    networks.unet.load_state_dict(state["averages"]["unet"])
    networks.text_encoder.load_state_dict(state["averages"]["text"])
    return networks


def latent_scale(folder: Path = CHECKPOINTS) -> float:
    """Scale factor of the latents, measured on the pool that the model was trained on."""
    return 1 / float(load_file(folder / "pool.safetensors")["latents"].float().std())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--out", type=Path, default=None, help="seedling/weights/MODEL if left out")
    chosen = parser.parse_args()
    folder = chosen.out or WEIGHTS / chosen.model
    publish(
        load_vae(chosen.folder),
        trained_networks(chosen.model, chosen.folder),
        scale=latent_scale(chosen.folder),
        folder=folder,
    )
    say(f"wrote {folder}")


if __name__ == "__main__":
    main()
