"""Describes what changes the networks of a card: LoRAs and textual inversions."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from pipeline.cards.checkpoints import PROJECT_ROOT, Checkpoint, fetch
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.known_hashes import known_sha256
from pipeline.cards.own_paths import beside
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


Kind = TypeVar("Kind", bound=Adapter)


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


@dataclass(frozen=True)
class FoundAdapters:
    """The files of a card's adapters.

    Attributes:
        loras: Files of its LoRAs, in order.
        embeddings: Files of its textual inversions, in order.
        commits: "name=commit" of each that is on the hub.
    """

    loras: tuple[Path, ...]
    embeddings: tuple[Path, ...]
    commits: tuple[str, ...]

    def joined_sha256(self, sha256: str) -> str:
        """Join the hash of a card with those of the adapters' contents."""
        for kind, files in (("lora", self.loras), ("embedding", self.embeddings)):
            for number, file in enumerate(files):
                text = f"{sha256}\0{kind}{number}\0{known_sha256(file)}"
                sha256 = hashlib.sha256(text.encode()).hexdigest()
        return sha256


def find_all(
    loras: Sequence[Lora], embeddings: Sequence[Embedding], who: str, commits: Mapping[str, str]
) -> FoundAdapters:
    """Find the files of a card's adapters.

    Args:
        loras: Its LoRAs.
        embeddings: Its textual inversions.
        who: The card, for messages.
        commits: Name -> the commit that a run started with.

    Raises:
        ModelError: As `check_local`, or if the hub does not provide a file.
    """
    check_local((*loras, *embeddings), who)
    files: dict[str, tuple[Path, ...]] = {"lora": (), "embedding": ()}
    used: tuple[str, ...] = ()
    for kind, adapters in (("lora", loras), ("embedding", embeddings)):
        for number, adapter in enumerate(adapters):
            name = f"{kind}{number}"
            file, commit = _find(adapter, who, commits.get(name, ""))
            files[kind] += (file,)
            used += (f"{name}={commit}",) if commit else ()
    return FoundAdapters(files["lora"], files["embedding"], used)


def _find(adapter: Adapter, who: str, commit: str) -> tuple[Path, str]:
    """Find an adapter's file and its commit ("" for a local file)."""
    if adapter.path:
        return PROJECT_ROOT / adapter.path, ""
    folder, commit = fetch(adapter, [adapter.file], who=who, commit=commit)
    read_tensor_list(folder / adapter.file)
    return folder / adapter.file, commit


def beside_all(adapters: Sequence[Kind], folder: Path) -> tuple[Kind, ...]:
    """Resolve the relative paths of adapters in a user's own card, which start at its folder."""
    return tuple(a.model_copy(update={"path": beside(a.path, folder)}) for a in adapters)
