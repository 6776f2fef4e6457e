"""Finds the configs and the hash of a checkpoint that is one file.

A single file holds weights alone. Their configs ship with goldenseed, one folder in
`models/single_file_configs` for each kind of checkpoint, so that no network is needed.
"""

import hashlib
from pathlib import Path
from typing import Protocol

from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.cards.facts.tensors import refuse_pickle
from pipeline.cards.known_hashes import known_sha256
from pipeline.errors import ConfigError, nearest
from pipeline.storage.file_hashes import sha256_of_files

CONFIGS = Path(__file__).parents[1] / "models" / "single_file_configs"


class _Named(Protocol):
    """A card, of which only the place of its files is read."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...


def shipped_configs() -> list[str]:
    """List the names of the configurations that ship."""
    return sorted(path.parent.name for path in CONFIGS.glob("*/model_index.json"))


def is_shipped_config(name: str) -> bool:
    """Whether a card's `config` names a configuration that ships, or nothing."""
    return not name or name in shipped_configs()


def config_folder(name: str) -> Path:
    """Find the folder of a configuration.

    Args:
        name: Name of one that ships, or a folder.

    Raises:
        ConfigError: If there is neither.

    Example:
        >>> config_folder("sdxl").name
        'sdxl'
    """
    if name in shipped_configs():
        return CONFIGS / name
    folder = PROJECT_ROOT / name
    if not (folder / "model_index.json").is_file():
        known = shipped_configs()
        raise ConfigError(
            f"no configuration {name!r} for a single file; {nearest(name, known)}known: "
            f"{', '.join(known)}, or a folder of configs with a model_index.json"
        )
    return folder


def single_file(card: _Named) -> Path:
    """Find the file of a card with a `config`.

    Raises:
        ModelError: If there is no such file, or it is a pickle.
        ConfigError: If the card names no file.
    """
    if not card.path:
        raise ConfigError(
            f"card {card.name} has a `config`, which is for a checkpoint of one file, and no "
            f"`path`; give the path of the file"
        )
    file = PROJECT_ROOT / card.path
    refuse_pickle(file)
    return file


def single_file_sha256(file: Path, configs: Path) -> str:
    """Hash what a pipeline is loaded from: the file's content, and the configs by their names.

    Args:
        file: The checkpoint.
        configs: The folder of its configs.
    """
    settings = sha256_of_files(configs, configs.rglob("*.json"), file_sha256=known_sha256)
    return hashlib.sha256(f"{known_sha256(file)}\0{settings}".encode()).hexdigest()
