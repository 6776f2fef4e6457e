"""Shared code of the training commands of the seedling's relatives.

A relative is trained from a published seedling and uses its autoencoder and text encoder. Its
folder therefore holds only its own network: `seedling/weights/<name>/unet`, or `.../controlnet`.
On its card, `path` names the seedling's folder and each entry of `parts` names a folder of the
relative, so shared parts are shipped once.
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
from seedling.files import CHECKPOINTS, WEIGHTS, say
from seedling.learning.loop import Budget, Loop
from seedling.networks.model import to_vae_range
from seedling.networks.text_to_image import Networks
from seedling.randomness import choose, make_generator

BASE = WEIGHTS / "seedling"
"""The model that relatives are trained from by default."""

Rows = dict[str, Tensor]
"""Training images as named tensors, one row per image: latents, parts of prompts, masks ..."""


@dataclass(frozen=True)
class Base:
    """A published seedling in fp32, with frozen weights.

    Attributes:
        vae: The autoencoder.
        networks: The noise predictor, text encoder, tokenizer and scheduler.
        sha256: Hash of the model's files.
    """

    vae: AutoencoderKL
    networks: Networks
    sha256: str

    def name_with_hash(self, name: str) -> str:
        """Add the model's hash to the name of something specific to it, such as a checkpoint."""
        return f"{name}-{self.sha256[:8]}"

    @property
    def scale(self) -> float:
        """Scale factor of the autoencoder's latents."""
        return float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Encode images (B, 3, 64, 64) in 0..1 to scaled latents, float16 (B, 16, 8, 8)."""
        mean: Tensor = self.vae.encode(to_vae_range(images)).latent_dist.mode()
        return (mean * self.scale).half()


def load_networks(folder: Path) -> Networks:
    """Read the networks of a published seedling, in fp32."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", local_files_only=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
    return Networks(unet.float(), text_encoder.float().eval(), tokenizer, scheduler)


def load_base(folder: Path) -> Base:
    """Read a published seedling.

    Raises:
        FileNotFoundError: If the folder does not contain a seedling.
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
    """Settings of a relative's training.

    Attributes:
        budget: How long, and the learning rate; making the training images is not counted.
        count: Number of training images (turbo: pairs).
        batch: Latents per step.
        seed: Seed of images, prompts and noise.
        folder: Folder of checkpoints and training images.
    """

    budget: Budget
    count: int
    batch: int = 64
    seed: int = 11
    folder: Path = CHECKPOINTS


def new_parser(
    text: str | None, *, minutes: float, rate: float, count: int
) -> argparse.ArgumentParser:
    """Make the parser of a relative's training command.

    Args:
        text: Description of the command: its module's docstring.
        minutes: Default minutes of training.
        rate: Default of the highest learning rate.
        count: Default number of training images.

    Returns:
        The parser; `out` has no default.

    Example:
        >>> new_parser("", minutes=1, rate=1e-3, count=9).parse_args(["--count", "5"]).count
        5
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--steps", type=int, default=None, help="stop after this many steps")
    parser.add_argument("--count", type=int, default=count, help="training images or pairs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS, help="folder of checkpoints")
    parser.add_argument("--base", type=Path, default=BASE, help="seedling to start from")
    parser.add_argument("--out", type=Path, help="target folder; default: the folder on the card")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """Settings from the options of a command line."""
    budget = Budget(options.minutes, options.rate, steps=options.steps)
    return Settings(budget, options.count, options.batch, options.seed, options.folder)


def joined(chunks: Iterable[Rows]) -> Rows:
    """Concatenate chunks of rows."""
    parts = list(chunks)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def make_once(
    base: Base, name: str, make: Callable[[Base, int, int], Rows], settings: Settings
) -> Rows:
    """Read the training images of a relative; make them if they are missing.

    Args:
        base: The seedling whose latents they are in.
        name: Name of the relative.
        make: Function from base, count and seed to rows.
        settings: `count`, `seed` and `folder` are used.

    Returns:
        The rows.
    """
    file = base.name_with_hash(f"{name}-{settings.count}-{settings.seed}") + ".safetensors"
    return load_or_make(settings.folder / file, lambda: make(base, settings.count, settings.seed))


def load_or_make(path: Path, make: Callable[[], Rows]) -> Rows:
    """Read tensors, or make and write them if the file is missing, whole or not at all.

    Args:
        path: The .safetensors file.
        make: Function that makes them.

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
    """Train a network with Muon, or resume an interrupted training.

    The seedling itself was trained with Muon too (`seedling.learning.muon`). The matrices of a
    relative are the seedling's; new ones start at 0, and their first update is as large as any.

    Args:
        name: Name of the model and of its checkpoint.
        network: The network; it is changed.
        rows: Training images.
        loss: Function from a batch of rows and a generator, the source of prompts, noise and
            times, to a scalar.
        settings: Settings of the training.

    Returns:
        The network with its moving average in place.
    """
    generator, modules = make_generator(settings.seed + 1), {"network": network}
    loop = Loop(
        name, modules, settings.budget, generator, settings.folder, tuple(modules), muon=True
    )
    count = len(next(iter(rows.values())))
    while loop.running():
        indices = choose(settings.batch, count, generator=generator)
        loop.step(loss({key: value[indices] for key, value in rows.items()}, generator))
    loop.finish()
    loop.use_averages()
    return network


def publish(parts: Mapping[str, Any], folder: Path) -> None:
    """Write a relative's own parts in diffusers' layout, networks in fp16.

    Args:
        parts: Sub-folder -> network or scheduler.
        folder: The relative's folder; an earlier one is replaced once the new one is complete.
    """
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    for name, part in parts.items():
        _published(part).save_pretrained(aside / name)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    say(f"wrote {folder}")


def _published(part: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a part in fp16, without the local path that its weights were read from."""
    copied = copy.deepcopy(part)
    if isinstance(copied, nn.Module):
        copied.half()
    if hasattr(copied, "register_to_config") and "_name_or_path" in copied.config:
        copied.register_to_config(_name_or_path="")
    return copied
