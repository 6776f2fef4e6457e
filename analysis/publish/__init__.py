"""Publish rankings as releases. Only this folder writes releases.

A new artifact is a file in this folder and a line in `PUBLISH`; the contract suite then finds it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from analysis.publish.base import Artifact, write_release
from analysis.ranking.result import Ranking
from pipeline.registry import load
from pipeline.runs.layout import RELEASES_FOLDER
from pipeline.runs.run import Run

__all__ = ["PUBLISH", "Artifact", "publish"]

PUBLISH: Mapping[str, str] = MappingProxyType(
    {
        "seed_lists": "analysis.publish.lists:SeedLists",
        "sheet": "analysis.publish.sheet:Sheet",
    }
)
"""Name -> "module:Class"."""


def publish(run: Run, ranking: Ranking, *, name: str, folder: Path | None = None) -> Path:
    """Publish a ranking as a release that is never changed again.

    Args:
        run: The run.
        ranking: The ranking of the run's present grid.
        name: Name of the release: letters, digits, dots, underscores and dashes.
        folder: Folder of all releases; `releases/` of the run if None.

    Returns:
        The folder `<name>-v<k>`. A version with equal bytes is returned as it is; other content
        becomes the next free version.

    Raises:
        RunError: If the ranking is of another run or grid, or the name has other characters.
    """
    files: dict[str, bytes] = {}
    for key in PUBLISH:
        artifact: Artifact = load(PUBLISH, key, "published artifact", base=Artifact)()
        files |= artifact.files(run, ranking)
    return write_release(folder or run.root / RELEASES_FOLDER, name, files)
