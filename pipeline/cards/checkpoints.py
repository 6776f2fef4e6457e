"""Where a checkpoint comes from: a local folder, or Hugging Face's hub. No torch."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.errors import ModelError

PROJECT_ROOT = Path(__file__).parents[2]
"""Relative paths of shipped cards and recipes start here."""


class Checkpoint(BaseModel):
    """What every card says about the place of its weights.

    Attributes:
        path: Local file or folder; empty where it is on the hub.
        repo: Hugging Face repository; empty where it is local.
        revision: Commit of the repository. Empty or `unresolved`: whatever is newest at first
            use, which is then stored with what was made of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = ""
    repo: str = ""
    revision: str = ""

    @property
    def commit(self) -> str | None:
        """The pinned commit; None for the newest.

        Example:
            >>> Checkpoint(repo="a/b", revision="unresolved").commit is None
            True
        """
        return None if self.revision in ("", "unresolved") else self.revision


def fetch(
    checkpoint: Checkpoint, patterns: Sequence[str], *, who: str, commit: str = ""
) -> tuple[Path, str]:
    """Fetch from the hub, or find in its local cache, only what is read.

    Args:
        checkpoint: Names the repository.
        patterns: Names of the files.
        who: What needs them, for the message.
        commit: The commit wanted; empty for the checkpoint's own.

    Returns:
        The folder, and the commit, which is its name.

    Raises:
        ModelError: If the files are not here and the hub does not give them.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            checkpoint.repo, revision=commit or checkpoint.commit, allow_patterns=list(patterns)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, RuntimeError) as error:
        raise ModelError(
            f"{who} needs the files of {checkpoint.repo}, which are not in the local hub cache, "
            f"and the hub did not give them ({type(error).__name__}). Connect this machine once, "
            f"or copy the cache of one that has them and set HF_HOME"
        ) from error
    return Path(found), Path(found).name
