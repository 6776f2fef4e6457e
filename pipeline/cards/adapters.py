"""Describes what changes the networks of a card: LoRAs and textual inversions."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from pipeline.cards.checkpoints import PROJECT_ROOT, Checkpoint, fetch
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.known_hashes import known_sha256
from pipeline.errors import ModelError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""A repository on the hub."""


class Adapter(Checkpoint):
    """A file of safetensors: local (`path`), or `file` in a repository.

    Attributes:
        file: Name of the file in the repository.
    """

    file: str = ""


class Lora(Adapter):
    """A LoRA, which is added to the weights of the networks before the first image.

    Attributes:
        weight: How much of it is added; 1 is as it was trained.
    """

    weight: float = Field(default=1.0, allow_inf_nan=False)


class Embedding(Adapter):
    """A textual inversion: vectors for a word that the text encoder does not know.

    Attributes:
        token: The word that stands for it in prompts.
    """

    token: str = Field(min_length=1)


def check_local(adapters: Iterable[Adapter], who: str) -> None:
    """Refuse a local file that is missing, a pickle or damaged, without reading its numbers.

    Args:
        adapters: LoRAs or textual inversions.
        who: The card, for messages.

    Raises:
        ModelError: If there is such a file, or an adapter names none.
    """
    for adapter in adapters:
        if not adapter.path and not (adapter.repo and adapter.file):
            raise ModelError(
                f"{who}: a LoRA or textual inversion needs `path`, or `repo` and `file`; add them"
            )
        if adapter.path:
            read_tensor_list(PROJECT_ROOT / adapter.path)


def find(adapter: Adapter, who: str, commit: str) -> tuple[Path, str]:
    """Find an adapter's file and its commit ("" for a local file).

    Args:
        adapter: The adapter.
        who: The card, for messages.
        commit: The commit that a run started with; empty for the adapter's own.

    Raises:
        ModelError: As `check_local`, or if the hub does not provide the file.
    """
    check_local([adapter], who)
    if adapter.path:
        return PROJECT_ROOT / adapter.path, ""
    folder, commit = fetch(adapter, [adapter.file], who=who, commit=commit)
    read_tensor_list(folder / adapter.file)
    return folder / adapter.file, commit


def joined_sha256(sha256: str, name: str, file: Path) -> str:
    """Join the hash of a card with that of an adapter's content.

    Args:
        sha256: The hash so far.
        name: "lora" or "embedding", with its number.
        file: The file.
    """
    return hashlib.sha256(f"{sha256}\0{name}\0{known_sha256(file)}".encode()).hexdigest()
