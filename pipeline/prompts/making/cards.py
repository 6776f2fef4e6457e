"""Cards of the models that describe images: their weights, and the question they are asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.cards.checkpoints import Checkpoint, fetch
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.storage.file_hashes import sha256_of_files
from pipeline.storage.yaml_files import read_mapping, validated

CARDS_FILE = Path(__file__).with_name("cards.yaml")
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
"""Names of the files that are fetched and hashed; weights only as safetensors."""


class DescriberCard(Checkpoint):
    """A pinned LLaVA checkpoint in transformers' layout, with the question it is asked.

    Attributes:
        dtype: Torch dtype that the model runs in.
        gpu: Whether the model needs a GPU.
        licence: Licence of the weights.
        template: The text around `{instruction}`, with `<image>` where the image goes.
        instruction: The question.
        max_new_tokens: Length of the longest description, in tokens.
        batch_size: Images described together; fixed, because it changes the last bits of a float.
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
        """The whole text that the model gets."""
        return self.template.replace("{instruction}", self.instruction)


@dataclass(frozen=True)
class DescriberFiles:
    """A card whose files are on this machine.

    Attributes:
        folder: The folder in transformers' layout.
        revision: The commit; empty for a local folder.
        sha256: Hash of the names and contents of its files.
    """

    folder: Path
    revision: str
    sha256: str


def find_describer(name: str) -> DescriberCard:
    """Find the card of this name, or read a user's own YAML file.

    Raises:
        ConfigError: If there is no such card (the message names the nearest), or it is malformed.

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
        ModelError: If the files are missing and cannot be fetched; the message says what to do.
    """
    folder, revision = _locate(card)
    refuse_code_in(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json; wanted a folder in transformers' layout")
    files = sorted({file for pattern in PATTERNS for file in folder.glob(pattern)})
    if not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(f"{folder} holds no .safetensors file, and no other weights are loaded")
    return DescriberFiles(folder, revision, sha256_of_files(folder, files))


def _locate(card: DescriberCard) -> tuple[Path, str]:
    """Find the folder and the commit ("" for a local folder)."""
    if card.path:
        return Path(card.path), ""
    return fetch(card, PATTERNS, who="describing images")
