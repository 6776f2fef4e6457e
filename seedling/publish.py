"""Write a trained model as a diffusers folder: `python -m seedling.publish --model NAME`.

If a model's card takes some parts from another model's folder, as those of the replicates of
`seedling-mini` do, the shared parts are not written. With `--step N` the state of the training
after N steps is written to `checkpoints/MODEL-step-N`, with a card that a recipe can name. A study
can then ask whether the golden seeds of the finished model were already golden half-way.
"""

import argparse
import json
import math
from pathlib import Path

import torch
import yaml
from diffusers import AutoencoderKL
from torch import nn

from pipeline.cards.card import Card, find_card
from pipeline.cards.card_parts import Part
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ModelError
from seedling.files import CHECKPOINTS, WEIGHTS, say, whole_folder
from seedling.learning import relatives
from seedling.learning.loop import SNAPSHOT_STEPS, snapshot_path, snapshot_steps
from seedling.learning.trained import latent_scale, load_vae, trained_networks
from seedling.networks.model import VARIANTS
from seedling.networks.text_to_image import Networks, new_pipe
from seedling.networks.tokenizer import world_merges, write_tokenizer

FOLDER = WEIGHTS / "seedling-mini"


def publish(vae: AutoencoderKL, networks: Networks, *, scale: float, folder: Path) -> None:
    """Write the model in fp16 safetensors, in the layout of Stable Diffusion.

    Args:
        vae: The autoencoder.
        networks: Noise predictor, text encoder, tokenizer and scheduler.
        scale: The latents' scale factor, 1 / their standard deviation.
        folder: Target folder; an earlier model is replaced once the new one is complete.
    """
    pipe = new_pipe(vae, networks, scale=scale).to(dtype=torch.float16)
    with whole_folder(folder) as aside:
        pipe.save_pretrained(aside)
        _write_clip_files(aside / "tokenizer")


def _write_clip_files(folder: Path) -> None:
    """Add CLIP's own two files, so that each version of its tokenizer can read the vocabulary."""
    write_tokenizer(folder, world_merges())


def own_parts(model: str, networks: Networks) -> dict[str, nn.Module]:
    """List the parts that a model ships in addition to another model's folder.

    Args:
        model: Name of its card, or a path to one.
        networks: Its networks.

    Returns:
        Component -> network, as the card says; empty for a model that ships whole.
    """
    names = [part.component for part in find_card(model).parts.values()]
    return {name: getattr(networks, name) for name in names}


def refuse_other_scale(model: str, scale: float) -> None:
    """Refuse networks that were trained on latents of another autoencoder than the shipped one.

    Args:
        model: Name of the card, or a path to one.
        scale: Scale factor of the latents that the networks were trained on.

    Raises:
        ModelError: If the shared autoencoder has another scale factor; names both.
    """
    path = PROJECT_ROOT / find_card(model).path / "vae" / "config.json"
    shared = float(json.loads(path.read_bytes())["scaling_factor"])
    if not math.isclose(shared, scale, abs_tol=1e-4):
        raise ModelError(
            f"{model} was trained on latents of scale factor {scale:.4f}, but {path} says "
            f"{shared:.4f}: train it on the pool of that autoencoder, or ship it whole"
        )


def publish_trained(model: str, *, folder: Path = CHECKPOINTS, out: Path) -> None:
    """Write a model from its checkpoint: whole, or only its own parts.

    Args:
        model: One of `VARIANTS`.
        folder: Folder of the checkpoint and the pool.
        out: Target folder; an earlier model is replaced once the new one is complete.

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
"""Networks that the training changes, and the classes that read them."""


def publish_step(model: str, step: int, *, folder: Path = CHECKPOINTS, out: Path) -> None:
    """Write the state of a training after a number of steps, and its card next to it.

    Args:
        model: One of `VARIANTS`.
        step: A step whose moving averages were kept, see `snapshot_path`.
        folder: Folder of the checkpoints and the pool.
        out: Folder of the two networks; the card is `out` with `.yaml` appended.

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
    """Make the card of a training step: the model's card with other networks."""
    target = folder.resolve()
    inside = target.is_relative_to(PROJECT_ROOT)
    path = (target.relative_to(PROJECT_ROOT) if inside else target).as_posix()
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
    parser.add_argument("--step", type=int, default=None, help="write the state after N steps")
    parser.add_argument("--out", type=Path, default=None, help="default: seedling/weights/MODEL")
    options = parser.parse_args()
    if options.step is not None:
        steps = snapshot_steps(options.model, options.folder)
        if options.step not in steps:
            parser.error(
                f"{options.folder} holds {options.model} after {steps or 'no'} steps, not after "
                f"{options.step}; a training keeps its averages every {SNAPSHOT_STEPS} steps"
            )
        out = options.out or snapshot_path(options.model, options.step, options.folder).with_suffix(
            ""
        )
        return publish_step(options.model, options.step, folder=options.folder, out=out)
    out = options.out or WEIGHTS / options.model
    publish_trained(options.model, folder=options.folder, out=out)


if __name__ == "__main__":
    main()
