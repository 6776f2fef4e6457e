"""Cards of the models that describe pictures: which weights, and what they are asked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.yaml_files import problems, read_mapping

CARDS_FILE = Path(__file__).with_name("cards.yaml")
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
"""The files that are fetched and hashed; weights as safetensors only."""


class DescriberCard(BaseModel):
    """A pinned LLaVA checkpoint and what it is asked.

    Attributes:
        repo: Hugging Face repository; empty for a local folder.
        revision: Commit of it, or "unresolved".
        path: A local folder in transformers' layout.
        dtype: Torch dtype it runs in.
        gpu: Whether it needs a GPU.
        licence: Licence of the weights.
        template: The text around `{instruction}`, with `<image>` in its place.
        instruction: What it is asked.
        max_new_tokens: Longest description, in tokens.
        batch_size: Pictures described together; fixed, because company moves the last bits.
        note: What a user must know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = ""
    revision: str = "unresolved"
    path: str = ""
    dtype: Literal["float32", "float16", "bfloat16"]
    gpu: bool
    licence: str
    template: str = Field(pattern=r"(?s)<image>.*\{instruction\}|\{instruction\}.*<image>")
    instruction: str
    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    note: str = ""

    @property
    def question(self) -> str:
        """The whole text that goes in."""
        return self.template.replace("{instruction}", self.instruction)


@dataclass(frozen=True)
class DescriberFiles:
    """A card whose files are on this machine.

    Attributes:
        folder: The folder in transformers' layout.
        revision: The commit; empty for a local folder.
        sha256: Hash over the names and contents of its files.
    """

    folder: Path
    revision: str
    sha256: str


def find_describer(name: str) -> DescriberCard:
    """The card of this name, or of a user's own YAML file that holds one.

    Raises:
        ConfigError: If there is none (the message names the nearest), or it is malformed.

    Example:
        >>> find_describer("llava-1.5-7b").repo
        'llava-hf/llava-1.5-7b-hf'
    """
    if name.endswith((".yaml", ".yml")):
        return _card(read_mapping(Path(name), "a card"), Path(name))
    cards = read_mapping(CARDS_FILE, "cards")
    if name not in cards:
        raise ConfigError(
            f"unknown describer card {name!r}; {nearest(name, cards)}known: {', '.join(cards)}, "
            f"or a path to a .yaml file"
        )
    return _card(cards[name], CARDS_FILE)


def _card(fields: object, path: Path) -> DescriberCard:
    try:
        return DescriberCard.model_validate(fields)
    except ValidationError as error:
        raise problems(error, path, DescriberCard.model_fields) from error


def resolve_describer(card: DescriberCard) -> DescriberFiles:
    """Find (for a hub card: fetch) a card's files and hash them.

    Raises:
        ModelError: If they are not here and cannot be had; the message says how to get them.
    """
    folder, revision = (Path(card.path), "") if card.path else _from_hub(card)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json; wanted a folder in transformers' layout")
    files = sorted({file for pattern in PATTERNS for file in folder.glob(pattern)})
    if not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(f"{folder} holds no .safetensors file; other weights are not loaded")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return DescriberFiles(folder, revision, digest.hexdigest())


def _from_hub(card: DescriberCard) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    pinned = None if card.revision == "unresolved" else card.revision
    try:
        folder = Path(snapshot_download(card.repo, revision=pinned, allow_patterns=list(PATTERNS)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, RuntimeError) as error:
        raise ModelError(
            f"describing pictures needs the files of {card.repo}, which are not in the local hub "
            f"cache, and the hub did not give them ({type(error).__name__}). Connect this machine "
            f"once, or copy the cache of one that has them and set HF_HOME"
        ) from error
    return folder, folder.name
