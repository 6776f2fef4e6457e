"""Cards of the models that describe pictures: which weights, and what they are asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.storage.file_hashes import sha256_of_files
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).with_name("cards.yaml")
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
"""The files that are fetched and hashed; weights as safetensors only."""


class DescriberCard(Checkpoint):
    """A pinned LLaVA checkpoint in transformers' layout and what it is asked.

    Attributes:
        dtype: Torch dtype it runs in.
        gpu: Whether it needs a GPU.
        licence: Licence of the weights.
        template: The text around `{instruction}`, with `<image>` in its place.
        instruction: What it is asked.
        max_new_tokens: Longest description, in tokens.
        batch_size: Pictures described together; fixed, because company moves the last bits.
        note: What a user must know.
    """

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
        return validated(DescriberCard, read_mapping(Path(name), "a card"), Path(name))
    cards = read_mapping(CARDS_FILE, "cards")
    if name not in cards:
        raise ConfigError(
            f"unknown describer card {name!r}; {nearest(name, cards)}known: {', '.join(cards)}, "
            f"or a path to a .yaml file"
        )
    return validated(DescriberCard, cards[name], CARDS_FILE)


def resolve_describer(card: DescriberCard) -> DescriberFiles:
    """Find (for a hub card: fetch) a card's files and hash them.

    Raises:
        ModelError: If they are not here and cannot be had; the message says how to get them.
    """
    folder, revision = _place(card)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json; wanted a folder in transformers' layout")
    files = sorted({file for pattern in PATTERNS for file in folder.glob(pattern)})
    if not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(f"{folder} holds no .safetensors file; other weights are not loaded")
    return DescriberFiles(folder, revision, sha256_of_files(folder, files))


def _place(card: DescriberCard) -> tuple[Path, str]:
    """The folder and the commit; "" for a local folder."""
    if card.path:
        return Path(card.path), ""
    return fetch(card, PATTERNS, who="describing pictures")
