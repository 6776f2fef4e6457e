"""Refuses model folders and load arguments that would run the code of whoever made them.

Libraries import Python files of a model's folder, or of a repository that it names, when a
configuration file or an argument says so. Nothing here depends on an environment variable.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError

CODE_KEYS = ("trust_remote_code", "auto_map", "custom_pipeline", "custom_pipelines")
"""Keys with which a configuration file names code of its own, or allows it to run."""
FIXED_ARGUMENTS = ("dtype", "torch_dtype", "variant", "use_safetensors", "local_files_only")
"""Arguments of `from_pretrained` that goldenseed sets itself."""
VOCABULARIES = ("vocab.json", "tokenizer.json", "added_tokens.json")
"""Files whose keys are tokens, or lie beside tokens; no library looks for options in them."""
DEEPEST_FOLDER = 4
"""Levels of folders below a model's folder in which configuration files are looked for."""


def refuse_code_in(folder: Path) -> None:
    """Refuse a model's folder if a configuration file in it names or allows code.

    Args:
        folder: The folder. Its weights are not read.

    Raises:
        ModelError: If it does; the message names the file and the key.
    """
    for file in _configurations(folder):
        key = _code_key(file)
        if key:
            raise ModelError(
                f"{file}: its key {key} runs Python code that came with the model, and goldenseed "
                f"never does. Take a checkpoint whose classes ship with the library; if they do, "
                f"remove the key"
            )


def code_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """List the arguments of a loader that run code, or that goldenseed sets itself.

    Example:
        >>> code_arguments({"trust_remote_code": True, "add_watermarker": False})
        ['trust_remote_code']
        >>> code_arguments({"trust_remote_code": False})
        []
    """
    runs_code = [key for key in (*CODE_KEYS, "custom_revision") if arguments.get(key)]
    return runs_code + [key for key in FIXED_ARGUMENTS if key in arguments]


def refuse_code_arguments(arguments: Mapping[str, Any], where: str) -> None:
    """Refuse arguments of `from_pretrained` that run code, or that goldenseed sets itself.

    Args:
        arguments: The arguments.
        where: What gave them, for the message.

    Raises:
        ModelError: If there is such an argument; the message names it.
    """
    keys = code_arguments(arguments)
    if keys:
        raise ModelError(
            f"{where}: `load` may not contain {', '.join(keys)}: code that came with a model is "
            f"never run, and weights are read from local safetensors only; remove it"
        )


def _configurations(folder: Path) -> Iterator[Path]:
    """List the JSON files of a folder that may hold options, in order."""
    for root, folders, names in os.walk(folder, followlinks=True):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(folders) if depth < DEEPEST_FOLDER else []
        for name in sorted(names):
            if name.endswith(".json") and not name.endswith((*VOCABULARIES, ".index.json")):
                yield Path(root) / name


def _code_key(file: Path) -> str:
    """Find the key of a configuration file that names or allows code; empty if there is none."""
    try:
        content = json.loads(file.read_bytes())
    except RecursionError as error:
        raise ModelError(f"{file} is nested too deeply; wanted a configuration file") from error
    except (OSError, ValueError):  # the library that wants this file says what is wrong
        return ""
    nested = next((key for key, value in _items(content) if key in CODE_KEYS and value), "")
    return nested or (_index_key(file, content) if file.name == "model_index.json" else "")


def _items(content: object) -> Iterator[tuple[str, Any]]:
    """List all keys with their values, at each depth."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from part.items()
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _index_key(file: Path, index: object) -> str:
    """Find an entry of `model_index.json` whose class lies in a Python file of the folder."""
    if not isinstance(index, dict):
        return ""
    for name, value in index.items():
        if isinstance(value, list) and value and value[0]:
            own_file = file.parent / name / f"{value[0]}.py"
            # Path.is_file would fail at a name that is too long for any file.
            if name == "_class_name" or os.path.isfile(own_file):  # noqa: PTH113
                return str(name)
    return ""
