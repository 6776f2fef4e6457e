"""Reads the JSON files of checkpoints; a damaged one is named."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError

CONFIG_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("_class_name", "prediction_type", "timestep_spacing"), str),
    **{"block_out_channels": list, "latent_channels": int},
}
"""Fields of configs that goldenseed uses, and their types in diffusers."""


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: The file.

    Raises:
        ModelError: If it cannot be read, is not JSON, is nested too deeply, or is no object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is missing or damaged: {error}; get it again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}; wanted an object; get it again")
    return content


def read_config(path: Path) -> dict[str, Any]:
    """Read the config of a part of a model; empty if there is none.

    Args:
        path: The file.

    Raises:
        ModelError: If it is damaged, or a field that is used has another type than in diffusers.
    """
    config = read_object(path) if path.is_file() else {}
    for name, kind in CONFIG_TYPES.items():
        value = config.get(name)
        if value is not None and not isinstance(value, kind):
            raise ModelError(
                f"{path}: found {value!r:.80} as {name}; wanted a {kind.__name__}; get it again"
            )
    return config


def components(folder: Path) -> list[str]:
    """List the components that the `model_index.json` of a diffusers folder names.

    Raises:
        ModelError: If the file is missing or damaged.
    """
    index = read_object(folder / "model_index.json")
    return [name for name, kind in index.items() if isinstance(kind, list) and kind and kind[0]]
