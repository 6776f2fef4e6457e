"""Counts the parameters of the networks of a card whose files are on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cards.card import Card
from pipeline.cards.card_parts import Part
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.cards.facts.kinds import INSIDE
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.json_files import read_object
from pipeline.cards.loaded_files import network_files, pipeline_files
from pipeline.cards.memory import Load
from pipeline.cards.single_files import config_folder, single_file

NETWORK_WIDTH = 320
DECODER_CHANNELS = 256
"""Of Stable Diffusion; used where a config does not say it."""


def folder_parameters(folder: Path, variant: str) -> dict[str, int]:
    """Count the parameters of each component of a folder in the diffusers layout."""
    counts: dict[str, int] = {}
    for path in pipeline_files(folder, variant):
        if path.suffix == ".safetensors":
            counts[path.parent.name] = counts.get(path.parent.name, 0) + _count(path)
    return counts


def file_parameters(path: Path) -> dict[str, int]:
    """Count the parameters of each network in a single file; the one that draws is `main`."""
    counts: dict[str, int] = {}
    for name, tensor in read_tensor_list(path).items():
        owner = next((key for key, starts in INSIDE.items() if name.startswith(starts)), "main")
        counts[owner] = counts.get(owner, 0) + tensor.count
    return counts


def load_of(card: Card, *, height: int, width: int, batch: int, guided: bool) -> Load | None:
    """Describe what a card draws, as far as memory depends on it.

    Args:
        card: The card.
        height: Pixels.
        width: Pixels.
        batch: Images drawn together.
        guided: Whether each is drawn with and without its prompt.

    Returns:
        The load, or None if the weights are not on this machine.

    Raises:
        ModelError: If a file is damaged.
    """
    if not card.path or not (PROJECT_ROOT / card.path).exists():
        return None
    place = PROJECT_ROOT / card.path
    configs = config_folder(card.config) if card.config else place
    if card.config:
        counts = file_parameters(single_file(card))
    else:
        counts = folder_parameters(place, card.variant)
    for name, part in card.parts.items():
        if part.use == "component" and part.path:
            counts[part.component or name] = _part_count(part)
    return Load(
        parameters=counts,
        dtype=card.dtype,
        height=height,
        width=width,
        batch=batch,
        guided=guided,
        vae_factor=card.vae_factor,
        network_width=_network_width(configs),
        decoder_channels=_second(_config(configs, "vae").get("block_out_channels")),
    )


def _part_count(part: Part) -> int:
    place = PROJECT_ROOT / part.path
    if part.config:
        return _count(place)
    files = network_files(place / part.subfolder, part.variant)
    return sum(_count(path) for path in files if path.suffix == ".safetensors")


def _count(path: Path) -> int:
    return sum(tensor.count for tensor in read_tensor_list(path).values())


def _network_width(configs: Path) -> int:
    unet, transformer = _config(configs, "unet"), _config(configs, "transformer")
    if unet.get("block_out_channels"):
        return int(unet["block_out_channels"][0])
    heads, width = transformer.get("num_attention_heads"), transformer.get("attention_head_dim")
    return int(transformer.get("dim") or (heads or 0) * (width or 0) or NETWORK_WIDTH)


def _second(channels: Any) -> int:  # noqa: ANN401 - whatever the config holds
    has_two = isinstance(channels, list) and len(channels) > 1
    return int(channels[1]) if has_two else DECODER_CHANNELS


def _config(folder: Path, name: str) -> Mapping[str, Any]:
    path = folder / name / "config.json"
    return read_object(path) if path.is_file() else {}
