"""Write the parts of a card: what a single file lacks, an autoencoder, LoRAs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.cards.adapters import REPOSITORY
from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.cards.facts.kinds import lora_width
from pipeline.cards.facts.tensors import read_tensor_list
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


def lora_fields(texts: Iterable[str], width: int) -> list[dict[str, Any]]:
    """Read LoRAs as they are given on a command line, and check that they are for this model.

    Args:
        texts: FILE or FILE:WEIGHT of each.
        width: Numbers that the model's network reads for each token of a text; 0 if unknown.

    Returns:
        The fields of each LoRA in a card.

    Raises:
        ModelError: If a file is missing, is no LoRA, or is for a model of another width.
    """
    fields = []
    for text in texts:
        path, weight = _with_weight(text)
        found = lora_width(read_tensor_list(path), str(path))
        if found and width and found != width:
            raise ModelError(
                f"--lora {path} is for another model: it changes layers that read texts of width "
                f"{found}, and those of this model have {width}; take a LoRA for this family"
            )
        fields.append({"path": str(path.resolve()), "weight": weight})
    return fields


def _with_weight(text: str) -> tuple[Path, float]:
    path, _, weight = text.rpartition(":")
    try:
        return Path(path), float(weight)
    except ValueError:
        return Path(text), 1.0


def embedding_fields(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Read textual inversions as they are given on a command line.

    Args:
        texts: FILE or FILE:WORD of each; without a word, the file's name is the word.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    fields = []
    for text in texts:
        whole = Path(text).is_file()
        path, _, word = (text, "", "") if whole else text.rpartition(":")
        read_tensor_list(Path(path or text))
        fields.append({"path": str(Path(path).resolve()), "token": word or Path(path).stem})
    return fields


def vae_part(vae: str, config: str) -> dict[str, Any]:
    """Give the part of a card that replaces its autoencoder.

    Args:
        vae: A folder with an autoencoder, in it or in its folder `vae`; a `.safetensors` file of
            one; or a repository.
        config: Configuration of a file: that of the model.

    Raises:
        ModelError: If it is none of these.
    """
    about = {"use": "component", "component": "vae", "kind": "diffusers:AutoencoderKL"}
    path = Path(vae)
    if path.is_dir():
        inner = "vae" if (path / "vae" / "config.json").is_file() else ""
        if not (path / inner / "config.json").is_file():
            raise ModelError(f"--vae {vae} holds no config.json of an autoencoder")
        return {**about, "path": str(path.resolve()), "subfolder": inner}
    if path.exists():
        _refuse_no_vae(path)
        return {**about, "path": str(path.resolve()), "config": config}
    if not REPOSITORY.fullmatch(vae):
        raise ModelError(f"--vae {vae}: there is no such file or folder")
    return {**about, "repo": vae, "revision": "unresolved"}


def _refuse_no_vae(path: Path) -> None:
    names = read_tensor_list(path)
    if not any("decoder.conv_in." in name for name in names):
        raise ModelError(f"--vae {path} holds no autoencoder: none of its tensors is a decoder's")
