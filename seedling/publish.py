"""Write a trained model as a diffusers folder: `python -m seedling.publish --model NAME`.

A model whose card takes parts of its own beside another model's folder, as the replicates of
`seedling-mini` do, is written without what the two share.
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file
from torch import nn

from pipeline.cards import PROJECT_ROOT, find_card
from pipeline.errors import ModelError
from seedling import relatives
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


def own_parts(model: str, networks: Networks) -> dict[str, nn.Module]:
    """What a model ships beside another one's folder, as its card says.

    Args:
        model: Name of its card, or a path to one.
        networks: Its networks.

    Returns:
        Component -> network; empty for a model that ships whole.
    """
    names = [part.component for part in find_card(model).parts.values()]
    return {name: getattr(networks, name) for name in names}


def refuse_other_scale(model: str, scale: float) -> None:
    """Refuse networks of other latents than those of the autoencoder that they are shipped with.

    Args:
        model: Name of the card, or a path to one.
        scale: Scale factor of the latents that the networks were trained on.

    Raises:
        ModelError: If the shared autoencoder has another; gives both.
    """
    path = PROJECT_ROOT / find_card(model).path / "vae" / "config.json"
    shared = float(json.loads(path.read_bytes())["scaling_factor"])
    if not math.isclose(shared, scale, abs_tol=1e-4):
        raise ModelError(
            f"{model} was trained on latents of scale factor {scale:.4f}, and {path} says "
            f"{shared:.4f}: train it on the pool of that autoencoder, or ship it whole"
        )


def publish_trained(model: str, *, folder: Path = CHECKPOINTS, out: Path) -> None:
    """Write a model from its checkpoint: whole, or its own parts alone.

    Args:
        model: One of `VARIANTS`.
        folder: Of the checkpoint and the pool.
        out: Where to; an earlier model there is replaced once the new one is whole.

    Raises:
        ModelError: See `refuse_other_scale`.
    """
    networks, scale = trained_networks(model, folder), latent_scale(folder)
    parts = own_parts(model, networks)
    if parts:
        refuse_other_scale(model, scale)
        return relatives.publish(parts, out)
    publish(load_vae(folder), networks, scale=scale, folder=out)
    return say(f"wrote {out}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--out", type=Path, default=None, help="seedling/weights/MODEL if left out")
    chosen = parser.parse_args()
    out = chosen.out or WEIGHTS / chosen.model
    publish_trained(chosen.model, folder=chosen.folder, out=out)


if __name__ == "__main__":
    main()
