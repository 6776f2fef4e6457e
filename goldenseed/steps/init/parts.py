"""Write the parts of a card: what a single file lacks, and an autoencoder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.cards.json_files import read_object
from pipeline.errors import ModelError


def base_parts(base: str, names: Iterable[str], model: str) -> dict[str, Any]:
    """Give the parts that a single file takes from another model.

    Args:
        base: A folder in the diffusers layout, or a repository.
        names: The components.
        model: The file, for messages.

    Raises:
        ModelError: If the folder lacks one of them, or the repository cannot be read.
    """
    local = Path(base).is_dir()
    folder, commit = (
        (Path(base), "")
        if local
        else fetch(Checkpoint(repo=base), ["*.json"], who=f"--base of {model}")
    )
    index = read_object(folder / "model_index.json")
    place = {"path": str(folder.resolve())} if local else {"repo": base, "revision": commit}
    parts = {}
    for name in names:
        kind = index.get(name)
        if not isinstance(kind, list) or not kind[0]:
            raise ModelError(f"--base {base} has no {name}, which {model} lacks; take another one")
        about = {"use": "component", "component": name, "kind": f"{kind[0]}:{kind[1]}"}
        parts[name] = {**about, **place, "subfolder": name}
    return parts
