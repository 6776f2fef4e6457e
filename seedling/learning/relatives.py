"""What the training commands of the seedling's relatives share.

A relative is trained from a published seedling, lives in its latents and reads with its text
encoder, so its folder holds its own network alone: `seedling/weights/<name>/unet`, or
`.../controlnet`. A card's `path` names the seedling's folder and each entry of its `parts` one of
the relative's, and what both share is shipped once.
"""

import argparse
import copy
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.cards.card import files_sha256
from seedling.learning.loop import CHECKPOINTS, Budget, Loop
from seedling.networks.model import WEIGHTS, to_model
from seedling.networks.text_to_image import Networks
from seedling.output import say
from seedling.randomness import choose, make_generator

BASE = WEIGHTS / "seedling"
"""The model that relatives are trained from, unless another is named."""

Rows = dict[str, Tensor]
"""Training pictures by what is known of them, row by row: latents, prompts' parts, masks ..."""


@dataclass(frozen=True)
class Base:
    """A published seedling in fp32; nothing of it learns.

    Attributes:
        vae: Its autoencoder.
        networks: Its noise predictor, text encoder, tokenizer and scheduler.
        sha256: Hash of its files.
    """

    vae: AutoencoderKL
    networks: Networks
    sha256: str

    def own_name(self, name: str) -> str:
        """A name of what holds for this model alone, as latents and checkpoints do."""
        return f"{name}-{self.sha256[:8]}"

    @property
    def scale(self) -> float:
        """What the autoencoder's latents are multiplied with."""
        return float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Pictures (B, 3, 64, 64) in 0..1 to scaled latents, float16 (B, 16, 8, 8)."""
        mean: Tensor = self.vae.encode(to_model(images)).latent_dist.mode()
        return (mean * self.scale).half()


def load_networks(folder: Path) -> Networks:
    """Read a published seedling, in fp32."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", local_files_only=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
    return Networks(unet.float(), text_encoder.float().eval(), tokenizer, scheduler)


def load_base(folder: Path) -> Base:
    """Read a published seedling.

    Raises:
        FileNotFoundError: If the folder holds none.
    """
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(
            f"{folder} holds no model_index.json; name the folder of a published seedling (--base)"
        )
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True).float().eval()
    networks = load_networks(folder)
    for network in (vae, networks.unet, networks.text_encoder):
        network.requires_grad_(requires_grad=False)
    return Base(vae, networks, files_sha256(folder, ["*.json", "*.safetensors"]))


@dataclass(frozen=True)
class Settings:
    """What every relative's training is told.

    Attributes:
        budget: How long, and the learning rate; making the training pictures is not counted.
        count: How many training pictures (turbo: pairs).
        batch: Latents a step.
        seed: Seed of pictures, prompts and noise.
        folder: Where checkpoints and training pictures go.
    """

    budget: Budget
    count: int
    batch: int = 64
    seed: int = 11
    folder: Path = CHECKPOINTS


def new_parser(
    text: str | None, *, minutes: float, rate: float, count: int
) -> argparse.ArgumentParser:
    """Make the parser of a training command.

    Args:
        text: What the command does: its module's docstring.
        minutes: Minutes of training, unless others are given; the same for what follows.
        rate: The highest learning rate.
        count: Training pictures.

    Returns:
        The parser; `out` is left open.

    Example:
        >>> new_parser("", minutes=1, rate=1e-3, count=9).parse_args(["--count", "5"]).count
        5
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--steps", type=int, default=None, help="stop earlier, after so many")
    parser.add_argument("--count", type=int, default=count, help="training pictures or pairs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS, help="of checkpoints")
    parser.add_argument("--base", type=Path, default=BASE, help="the seedling it starts from")
    parser.add_argument("--out", type=Path, help="the folder that the card names, by default")
    return parser


def settings_of(chosen: argparse.Namespace) -> Settings:
    """The settings that a command line says."""
    budget = Budget(chosen.minutes, chosen.rate, steps=chosen.steps)
    return Settings(budget, chosen.count, chosen.batch, chosen.seed, chosen.folder)


def joined(chunks: Iterable[Rows]) -> Rows:
    """Put chunks of rows one below the other."""
    found = list(chunks)
    return {name: torch.cat([chunk[name] for chunk in found]) for name in found[0]}


def make_once(
    base: Base, name: str, make: Callable[[Base, int, int], Rows], settings: Settings
) -> Rows:
    """Training pictures of a relative, made where they are not there yet.

    Args:
        base: Whose latents they are in.
        name: The relative's name.
        make: From base, number and seed to rows.
        settings: `count`, `seed` and `folder` are read.

    Returns:
        The rows.
    """
    file = base.own_name(f"{name}-{settings.count}-{settings.seed}") + ".safetensors"
    return load_or_make(settings.folder / file, lambda: make(base, settings.count, settings.seed))


def load_or_make(path: Path, make: Callable[[], Rows]) -> Rows:
    """Read tensors, or make and write them where there are none, whole or not at all.

    Args:
        path: The .safetensors file.
        make: Makes them.

    Returns:
        The tensors by name.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        save_file(make(), aside)
        aside.replace(path)
    return load_file(path)


def fit(
    name: str,
    network: Any,  # noqa: ANN401 - diffusers is untyped
    rows: Rows,
    loss: Callable[[Rows, torch.Generator], Tensor],
    settings: Settings,
) -> Any:  # noqa: ANN401
    """Train a network with Muon, or go on with a training that was cut off.

    The seedling itself was trained with Muon too (`seedling.learning.muon`). The matrices of a
    relative are the seedling's; new ones start at 0, and their first update is as large as any.

    Args:
        name: The model's name, and that of its checkpoint.
        network: What is trained; it is changed.
        rows: Training pictures.
        loss: A batch of them and the source of prompts, noise and times, to a scalar.
        settings: How.

    Returns:
        The network with its moving average in place.
    """
    generator, modules = make_generator(settings.seed + 1), {"network": network}
    loop = Loop(
        name, modules, settings.budget, generator, settings.folder, tuple(modules), muon=True
    )
    count = len(next(iter(rows.values())))
    while loop.running():
        which = choose(settings.batch, count, generator=generator)
        loop.step(loss({key: value[which] for key, value in rows.items()}, generator))
    loop.finish()
    loop.use_averages()
    return network


def publish(parts: Mapping[str, Any], folder: Path) -> None:
    """Write a relative's own parts, each as diffusers does, networks in fp16.

    Args:
        parts: Sub-folder -> network or scheduler.
        folder: The relative's folder; an earlier one there is replaced once the new one is whole.
    """
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    for name, part in parts.items():
        _published(part).save_pretrained(aside / name)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    say(f"wrote {folder}")


def _published(part: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """A copy in fp16, without the place on this machine that its weights were read from."""
    own = copy.deepcopy(part)
    if isinstance(own, nn.Module):
        own.half()
    if hasattr(own, "register_to_config") and "_name_or_path" in own.config:
        own.register_to_config(_name_or_path="")
    return own
