"""Write a trained model as a diffusers folder: `python -m seedling.publish --model NAME`.

A model whose card takes parts of its own beside another model's folder, as the replicates of
`seedling-mini` do, is written without what the two share. With `--step N` it is what the training
had reached then that is written, to `checkpoints/MODEL-step-N`, and beside it the card by which a
recipe names it: do the golden seeds of the finished model show half-way?
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import torch
import yaml
from diffusers import AutoencoderKL
from torch import nn

from pipeline.cards.card import Card, find_card
from pipeline.cards.card_parts import Part
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ModelError
from seedling.learning import relatives
from seedling.learning.loop import (
    CHECKPOINTS,
    SNAPSHOT_STEPS,
    snapshot_path,
    snapshot_steps,
)
from seedling.learning.trained import latent_scale, load_vae, trained_networks
from seedling.networks.model import VARIANTS, WEIGHTS
from seedling.networks.text_to_image import Networks, new_pipe
from seedling.networks.tokenizer import world_merges, write_tokenizer
from seedling.output import say

FOLDER = WEIGHTS / "seedling-mini"


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


LEARNED = {"unet": "diffusers:UNet2DConditionModel", "text_encoder": "transformers:CLIPTextModel"}
"""What a step of the training changes, and the classes to read it with."""


def publish_step(model: str, step: int, *, folder: Path = CHECKPOINTS, out: Path) -> None:
    """Write what a training had reached after some steps, and its card beside it.

    Args:
        model: One of `VARIANTS`.
        step: One after which moving averages were kept, see `snapshot_path`.
        folder: Of the checkpoints and the pool.
        out: Where the two networks go; the card is `out` with `.yaml` at its end.

    Raises:
        ModelError: See `refuse_other_scale`.
    """
    networks = trained_networks(model, folder, step=step)
    refuse_other_scale(model, latent_scale(folder))
    relatives.publish({name: getattr(networks, name) for name in LEARNED}, out)
    fields = card_of_step(find_card(model), step, out).model_dump(
        mode="json", exclude={"name"}, exclude_defaults=True
    )
    card = out.with_name(f"{out.name}.yaml")
    card.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    say(f"wrote {card}")


def card_of_step(card: Card, step: int, folder: Path) -> Card:
    """The card of a training's step: another one's but for what the step changes."""
    place = folder.resolve()
    inside = place.is_relative_to(PROJECT_ROOT)
    path = (place.relative_to(PROJECT_ROOT) if inside else place).as_posix()
    parts = {
        name: Part(use="component", component=name, kind=kind, path=path, subfolder=name)
        for name, kind in LEARNED.items()
    }
    note = f"{card.name} after {step:,} steps of its training (python -m seedling.publish)."
    return card.model_copy(update={"parts": parts, "note": note})


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    parser.add_argument("--model", choices=VARIANTS, default="seedling-mini")
    parser.add_argument("--step", type=int, default=None, help="what it had reached by then")
    parser.add_argument("--out", type=Path, default=None, help="seedling/weights/MODEL if left out")
    chosen = parser.parse_args()
    if chosen.step is not None:
        kept = snapshot_steps(chosen.model, chosen.folder)
        if chosen.step not in kept:
            parser.error(
                f"{chosen.folder} holds {chosen.model} after {kept or 'no'} steps, not after "
                f"{chosen.step}; a training keeps its averages every {SNAPSHOT_STEPS} steps"
            )
        out = chosen.out or snapshot_path(chosen.model, chosen.step, chosen.folder).with_suffix("")
        return publish_step(chosen.model, chosen.step, folder=chosen.folder, out=out)
    out = chosen.out or WEIGHTS / chosen.model
    publish_trained(chosen.model, folder=chosen.folder, out=out)


if __name__ == "__main__":
    main()
