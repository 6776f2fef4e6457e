"""Reads the JSON files of checkpoints; a damaged one is named."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError


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


def components(folder: Path) -> list[str]:
    """List the components that the `model_index.json` of a diffusers folder names.

    Raises:
        ModelError: If the file is missing or damaged.
    """
    index = read_object(folder / "model_index.json")
    return [name for name, kind in index.items() if isinstance(kind, list) and kind and kind[0]]
