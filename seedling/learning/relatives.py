"""Shared code of the training commands of the seedling's relatives.

A relative is trained from a published seedling and uses its autoencoder and text encoder. Its
folder therefore holds only its own network: `seedling/weights/<name>/unet`, or `.../controlnet`.
On its card, `path` names the seedling's folder and each entry of `parts` names a folder of the
relative, so shared parts are shipped once.
"""

import argparse
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.cards.card import files_sha256
from seedling.files import WEIGHTS, say, whole_folder
from seedling.learning.fitting import Rows, Settings, load_or_make, settings_parser
from seedling.networks.model import to_vae_range
from seedling.networks.text_to_image import Networks

BASE = WEIGHTS / "seedling"
"""The model that relatives are trained from by default."""


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


def new_parser(
    text: str | None, *, minutes: float, rate: float, count: int
) -> argparse.ArgumentParser:
    """Make the parser of a relative's training command: `settings_parser` with `--base`.

    Example:
        >>> new_parser("", minutes=1, rate=1e-3, count=9).parse_args([]).base.name
        'seedling'
    """
    parser = settings_parser(text, minutes=minutes, rate=rate, count=count)
    parser.add_argument("--base", type=Path, default=BASE, help="seedling to start from")
    return parser


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


def publish(parts: Mapping[str, Any], folder: Path) -> None:
    """Write a relative's own parts in diffusers' layout, networks in fp16.

    Args:
        parts: Sub-folder -> network or scheduler.
        folder: The relative's folder; an earlier one is replaced once the new one is complete.
    """
    with whole_folder(folder) as aside:
        for name, part in parts.items():
            _published(part).save_pretrained(aside / name)
    say(f"wrote {folder}")


def _published(part: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a part in fp16, without the local path that its weights were read from."""
    copied = copy.deepcopy(part)
    if isinstance(copied, nn.Module):
        copied.half()
    if hasattr(copied, "register_to_config") and "_name_or_path" in copied.config:
        copied.register_to_config(_name_or_path="")
    return copied
