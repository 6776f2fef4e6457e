"""Finds the weights of interventions, and hashes them for the identity of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.known_hashes import known_sha256
from pipeline.errors import ModelError
from pipeline.storage.file_hashes import sha256_of_files

PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.bin")
"""Patterns of the files in a folder of weights that are hashed."""


def find_weights(path: str) -> Path:
    """Find the file or folder that a `weights` parameter names.

    Args:
        path: Absolute, or relative to the project.

    Raises:
        ModelError: If the file or folder does not exist, or the folder names code of its own.
    """
    weights = PROJECT_ROOT / path
    if not path or not weights.exists():
        raise ModelError(
            f"found no weights at {weights}; give the path of a file of weights, or of a folder "
            f"with config.json and weights, absolute or relative to the recipe's file"
        )
    if weights.is_dir():
        refuse_code_in(weights)
    return weights


def weights_sha256(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Hash the files that an intervention's parameters name.

    Args:
        parameters: Parameters of the recipe; `weights` and `<something>_weights` are paths.

    Returns:
        Parameter -> sha256 of the names and contents of its files. The path is not hashed, so
        moving the files does not change the identity of a run.

    Raises:
        ModelError: If a path does not exist.

    Example:
        >>> weights_sha256({"strength": 0.1})
        {}
    """
    paths = {
        name: path
        for name, path in parameters.items()
        if path and (name == "weights" or name.endswith("_weights"))
    }
    return {name: _sha256(find_weights(str(path))) for name, path in paths.items()}


def _sha256(path: Path) -> str:
    if path.is_file():
        return sha256_of_files(path.parent, [path], file_sha256=known_sha256)
    files = [file for pattern in PATTERNS for file in path.rglob(pattern)]
    return sha256_of_files(path, files, file_sha256=known_sha256)
