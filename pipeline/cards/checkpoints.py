"""Finds the files of a checkpoint in a local folder or on Hugging Face's hub, without torch."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.errors import ModelError

PROJECT_ROOT = Path(__file__).parents[2]
"""Relative paths in shipped cards and recipes start here."""


class Checkpoint(BaseModel):
    """The location of a card's weights.

    Attributes:
        path: Local file or folder; empty if the weights are on the hub.
        repo: Hugging Face repository; empty if the weights are local.
        revision: Commit of the repository. Empty or `unresolved` means the newest commit at first
            use, which is then stored with the results.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = ""
    repo: str = ""
    revision: str = ""

    @property
    def commit(self) -> str | None:
        """The pinned commit, or None for the newest.

        Example:
            >>> Checkpoint(repo="a/b", revision="unresolved").commit is None
            True
        """
        return None if self.revision in ("", "unresolved") else self.revision


def fetch(
    checkpoint: Checkpoint, patterns: Sequence[str], *, who: str, commit: str = ""
) -> tuple[Path, str]:
    """Fetch the files that are read from the hub, or find them in its local cache.

    Args:
        checkpoint: Names the repository.
        patterns: Names of the files.
        who: What needs the files, for the message.
        commit: The wanted commit; empty for the checkpoint's own.

    Returns:
        The folder, and the commit, which is the name of the folder.

    Raises:
        ModelError: If the files are not on this machine and the hub does not provide them.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        folder = Path(
            snapshot_download(
                checkpoint.repo, revision=commit or checkpoint.commit, allow_patterns=list(patterns)
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{who} needs the files of {checkpoint.repo}, which are gated: read and accept the "
            f"licence at https://huggingface.co/{checkpoint.repo}, then log in with "
            f"`hf auth login` or set HF_TOKEN to your token"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{who} needs the files of {checkpoint.repo}, and the hub shows no such repository: "
            f"correct `repo`, or, if it is private, log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, RuntimeError) as error:
        raise ModelError(
            f"{who} needs the files of {checkpoint.repo}, which are not in the local hub cache, "
            f"and the hub did not provide them ({type(error).__name__}). Connect this machine to "
            f"the internet once, or copy the cache of a machine that has them and set HF_HOME"
        ) from error
    return folder, folder.name
