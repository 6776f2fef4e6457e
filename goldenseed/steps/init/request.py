"""What a user asks of `goldenseed init`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class Request:
    """The options of the command.

    Attributes:
        model: A folder in the diffusers layout, a checkpoint file, or a repository on the hub.
        prompts: Name of a shipped prompt file, or path of one.
        seeds: A count, a range or a list.
        revision: Commit of the repository; empty for the newest.
        gpu: Whether the model is drawn on a GPU.
        rank: Metric that ranks the seeds; empty to choose by the weights on this machine.
        given: Field of a card -> value that the user gave.
        prediction: What the network of a single file predicts; empty if the file says it.
        config: Configuration of a single file; empty to recognise it.
        vae: Autoencoder that replaces the model's own; empty for none.
        loras: FILE or FILE:WEIGHT of LoRAs.
        embeddings: FILE or FILE:WORD of textual inversions.
        vram: GiB of the GPU that drawing must fit into; 0 for no limit.
        base: Folder or repository that has what a single file lacks; empty for none.
    """

    model: str
    prompts: str
    seeds: str
    revision: str
    gpu: bool
    rank: str
    given: dict[str, Any]
    prediction: str = ""
    config: str = ""
    base: str = ""
    vae: str = ""
    loras: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    vram: float = 0

    def __post_init__(self) -> None:
        for text in (self.model, self.prompts, self.base, self.vae, *self.loras, *self.embeddings):
            _refuse_unreadable(str(Path(text).absolute()))

    @property
    def name(self) -> str:
        """A name for the card: that of the folder, the file or the repository."""
        path = Path(self.model).absolute()
        return path.stem if path.suffix == ".safetensors" else path.name


def _refuse_unreadable(path: str) -> None:
    """Refuse a path whose bytes are no text here, because a recipe could not name it."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = path.encode("utf-8", "backslashreplace").decode()
        raise ConfigError(
            f"the path {shown} holds bytes that are not text in this terminal's encoding, "
            f"{sys.getfilesystemencoding()}, so a recipe cannot name it; set PYTHONUTF8=1, or "
            f"rename it"
        ) from error
