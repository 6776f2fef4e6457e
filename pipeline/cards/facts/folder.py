"""Reads what a model's folder in the diffusers layout says about the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cards.facts.configs import config_facts
from pipeline.cards.facts.fact import Facts
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.loaded_files import pipeline_files, pipeline_sha256
from pipeline.errors import ModelError

DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
NETWORKS = ("transformer", "unet", "prior", "decoder")
"""Components whose weights are most of a model."""


def pipeline_files_alike(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files of a pipeline; sizes are compared first."""
    names = {path.relative_to(first) for path in pipeline_files(first, "")}
    if any(_size(first / name) != _size(second / name) for name in names):
        return False
    return pipeline_sha256(first, "") == pipeline_sha256(second, "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def folder_facts(folder: Path, facts: Facts) -> Facts:
    """Collect what a folder in the diffusers layout says.

    Args:
        folder: The folder, with its weights.
        facts: What is known already, which stays.

    Returns:
        The facts, among them `stored_dtype`.

    Raises:
        ModelError: If the folder is in another layout, runs code, is damaged, or is of a pipeline
            that no shipped card calls.
    """
    _refuse_other_layout(folder)
    refuse_code_in(folder)
    facts.say("path", str(folder.resolve()), "--model")
    variant = _variant(folder)
    if variant:
        facts.say("variant", variant, f"only files *.{variant}.safetensors are there")
    config_facts(folder, facts)
    _weight_facts(folder, variant, facts)
    facts.say("licence", *_licence(folder))
    return facts


def repository_facts(folder: Path, facts: Facts) -> None:
    """Add what the configs of a repository say, where its weights are not on this machine.

    Args:
        folder: The snapshot of its configs.
        facts: What is known already.

    Raises:
        ModelError: As `folder_facts`, except for what only weights show.
    """
    _refuse_other_layout(folder)
    refuse_code_in(folder)
    config_facts(folder, facts)
    facts.say("licence", *_licence(folder))


def _refuse_other_layout(folder: Path) -> None:
    if (folder / "model_index.json").is_file():
        return
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder; wanted a model in the diffusers layout")
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    if len(names) == 1:
        raise ModelError(
            f"{folder} holds no model_index.json, so it is not in the diffusers layout; if "
            f"{names[0]} is a whole checkpoint, give that file: --model {folder / names[0]}"
        )
    if names:
        raise ModelError(
            f"{folder} holds {len(names)} files, {', '.join(names[:5])}, and no model_index.json: "
            f"which one is the model? Give one file, or --model several times to compare them"
        )
    raise ModelError(
        f"{folder} holds no model_index.json and no .safetensors file; wanted a model in the "
        f"diffusers layout, or one checkpoint file"
    )


def _variant(folder: Path) -> str:
    """Give the variant of the main network, if its weights exist in that variant only."""
    names = {path.name for name in NETWORKS for path in (folder / name).glob("*.safetensors")}
    plain = any(name.count(".") == 1 or name.split(".")[1].startswith("safet") for name in names)
    variants = {name.split(".")[1].split("-")[0] for name in names if name.count(".") > 1}
    if plain or not names:
        return ""
    if len(variants) > 1:
        raise ModelError(
            f"{folder} holds weights in the variants {', '.join(sorted(variants))}; write a card "
            f"with the one you want (docs/cards.md)"
        )
    return next(iter(variants), "")


def _weight_facts(folder: Path, variant: str, facts: Facts) -> None:
    """Say the dtype of the main network's weights, and the tensors of each component."""
    sizes: dict[str, int] = {}
    files = [path for path in pipeline_files(folder, variant) if path.suffix == ".safetensors"]
    if not files:
        raise ModelError(
            f"{folder} holds no weights in safetensors; if it holds .bin files, convert them"
        )
    for path in files:
        tensors = read_tensor_list(path)
        name = path.parent.name if path.parent != folder else ""
        sizes[name] = sizes.get(name, 0) + sum(tensor.count for tensor in tensors.values())
        if name in NETWORKS and tensors:
            dtype = most_common_dtype(tensors)
            facts.say("stored_dtype", DTYPES.get(dtype, "float32"), f"{name}/{path.name}")
    facts.say("parameters", sizes, "the weights' headers")


def most_common_dtype(tensors: Mapping[str, Any]) -> str:
    """Give the dtype of most numbers of a file, by its name in the file."""
    counts: dict[str, int] = {}
    for tensor in tensors.values():
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.count
    return max(counts, key=lambda dtype: counts[dtype])


def _licence(folder: Path) -> tuple[str, str]:
    """Read the licence from the front matter of the folder's README."""
    readme = folder / "README.md"
    lines = readme.read_text("utf-8", "replace").splitlines()[:60] if readme.is_file() else []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("license", "license_name") and value.strip():
            return value.strip(), "README.md"
    return "not stated", "no README.md with a licence; read the model's page"
