"""Lists the files that a checkpoint is loaded from, so that all of them are hashed.

Diffusers chooses weights for each component: files of the wanted variant if the component has any,
and those without a variant otherwise. Weights are one file, or shards that an index names. The
lists made here hold each file that can be read this way. They may hold more (all configs, and all
weights if no variant is wanted), never fewer. This module does not import torch.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.cards.facts.tensors import refuse_pickle
from pipeline.cards.json_files import components, read_object
from pipeline.cards.known_hashes import known_sha256
from pipeline.errors import ModelError
from pipeline.storage.file_hashes import sha256_of_files

TEXTS = ("*.json", "*.txt", "*.model")
"""Configs, indexes of shards, and files of tokenizers."""

STEMS = ("diffusion_pytorch_model", "model")
"""Names of weights in diffusers and in transformers."""

PICKLE_STEMS = (*STEMS, "pytorch_model")
OPTIONAL = ("safety_checker",)
"""Networks that a card may leave out."""

ROOT_FILES = (
    "config.json", "*_config.json", "tokenizer*", "special_tokens_map.json", "vocab.*",
    "merges.txt", *(f"{stem}[.-]*safetensors*" for stem in STEMS),
)  # fmt: skip
"""What diffusers would read from the checkpoint's own folder for a component without a folder."""


def download_patterns(variant: str) -> list[str]:
    """List the names of the files to fetch first; see `components_without`.

    Example:
        >>> download_patterns("fp16")
        ['*.json', '*.txt', '*.model', '*.fp16.safetensors', '*.fp16-*.safetensors']
    """
    return [*TEXTS, *_weight_patterns(variant)]


def _weight_patterns(variant: str) -> list[str]:
    if not variant:
        return ["*.safetensors"]
    return [f"*.{variant}.safetensors", f"*.{variant}-*.safetensors"]


def components_without(folder: Path, variant: str) -> list[str]:
    """List the networks of a checkpoint for which its weights without a variant are loaded.

    Args:
        folder: The checkpoint, with its configs.
        variant: The wanted variant; empty for none.
    """
    present = [name for name in components(folder) if (folder / name / "config.json").is_file()]
    return [name for name in present if variant and not _has_variant(folder / name, variant)]


def pipeline_files(folder: Path, variant: str) -> set[Path]:
    """List the files that a pipeline is loaded from.

    Only the components that its `model_index.json` names count, so other files in the folder
    change nothing.

    Args:
        folder: A folder in the diffusers layout.
        variant: The wanted variant; empty for none.

    Raises:
        ModelError: If it is ambiguous which weights are loaded, or a shard is missing.
    """
    files = {folder / "model_index.json"}
    for name in components(folder):
        if not (folder / name).is_dir():
            in_root = {path for pattern in ROOT_FILES for path in folder.glob(pattern)}
            files |= {path for path in in_root if path.is_file()}
            continue
        chosen = variant if variant and _has_variant(folder / name, variant) else ""
        files |= network_files(folder / name, chosen)
        files |= set((folder / name).glob(f"*.{variant}.safetensors")) if variant else set()
    return files


def refuse_pickled_networks(folder: Path, given: Iterable[str]) -> None:
    """Refuse a model with a network whose weights are pickles alone.

    Args:
        folder: A folder in the diffusers layout.
        given: Components that are loaded from elsewhere.

    Raises:
        ModelError: If there is one; the message has the command that converts it.
    """
    for name in set(components(folder)) - {*given, *OPTIONAL}:
        files = sorted(
            path for stem in PICKLE_STEMS for path in (folder / name).glob(f"{stem}*.bin")
        )
        if files and not any((folder / name).glob("*.safetensors")):
            refuse_pickle(files[0])


def pipeline_sha256(folder: Path, variant: str) -> str:
    """Hash the names and contents of the files that a pipeline is loaded from.

    Args:
        folder: A folder in the diffusers layout.
        variant: The wanted variant; empty for none.

    Raises:
        ModelError: In the same cases as `pipeline_files`.
    """
    return sha256_of_files(folder, pipeline_files(folder, variant), file_sha256=known_sha256)


def network_files(folder: Path, variant: str) -> set[Path]:
    """List the files that one component is loaded from.

    Args:
        folder: The component's folder.
        variant: The variant of its weights; empty for none.

    Raises:
        ModelError: If it is ambiguous which weights are loaded, or a shard is missing.
    """
    _refuse_redirection(folder)
    patterns = [*TEXTS, *_weight_patterns(variant)]
    files = {path for pattern in patterns for path in folder.glob(pattern)}
    return files.union(*(_weights(folder, stem, variant) for stem in STEMS))


def _has_variant(folder: Path, variant: str) -> bool:
    """Whether diffusers takes a component for one with files of the variant.

    This is the rule of its `_identify_model_variants`.
    """
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    dotless = [name for name in names if "." not in name]
    if dotless:
        raise ModelError(
            f"{folder} holds {min(dotless)!r}, a name without a dot, at which diffusers stops when "
            f"a card has a `variant`; move it out of this folder"
        )
    return any(name.split(".")[1].startswith(variant) for name in names)


def _weights(folder: Path, stem: str, variant: str) -> set[Path]:
    """List the single file or the shards; which of two libraries reads them does not matter."""
    dotted = f".{variant}" if variant else ""
    single = folder / f"{stem}{dotted}.safetensors"
    names = {f"{stem}.safetensors.index{dotted}.json", f"{stem}.safetensors{dotted}.index.json"}
    candidates = [single, *(folder / name for name in sorted(names))]
    weights = [path for path in candidates if path.is_file()]
    if len(weights) > 1:
        raise ModelError(
            f"{folder}: it is ambiguous which weights are loaded, "
            f"{' or '.join(path.name for path in weights)}; keep one of them and remove the others"
        )
    return {path for index in weights if index != single for path in _shards(index)} | set(weights)


def _shards(index: Path) -> Iterable[Path]:
    """List the files that an index names."""
    try:
        names = sorted(set(read_object(index)["weight_map"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{index} is not an index of shards ({type(error).__name__}); wanted JSON with a "
            f"`weight_map`; get it again"
        ) from error
    for name in names:
        if Path(str(name)).name != name or not (index.parent / name).is_file():
            raise ModelError(
                f"{index} names the shard {name!r}, which is not a file beside it; get it again"
            )
    return [index.parent / name for name in names]


def _refuse_redirection(folder: Path) -> None:
    """Refuse configs that make transformers load other weights than those of the usual names."""
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{folder} holds adapter_config.json, which makes transformers load an adapter and the "
            f"network that it names; merge the adapter into the weights and remove the file"
        )
    path = folder / "config.json"
    config = read_object(path) if path.is_file() else {}
    if config.get("transformers_weights"):
        raise ModelError(
            f"{path} sets transformers_weights, which replaces the usual choice of weights; "
            f"remove it and give the weights their usual name"
        )
