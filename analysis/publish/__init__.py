"""Publish rankings as releases. Only this folder writes releases.

A new artifact is a file in this folder and a line in `PUBLISH`; the contract suite then finds it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from analysis.publish.base import Artifact, Content, write_release
from analysis.publish.release.cover import cover
from analysis.publish.release.data import images_aside, small_tables
from analysis.publish.release.lists import origin_of
from analysis.ranking.result import Ranking
from pipeline.registry import load
from pipeline.runs.layout import RELEASES_FOLDER
from pipeline.runs.run import Run

__all__ = ["PUBLISH", "Artifact", "publish"]

PUBLISH: Mapping[str, str] = MappingProxyType(
    {
        "seed_lists": "analysis.publish.release.lists:SeedLists",
        "sheet": "analysis.publish.sheet:Sheet",
    }
)
"""Name -> "module:Class"."""


def publish(
    run: Run, ranking: Ranking, *, name: str, folder: Path | None = None,
    images: bool = False, authors: tuple[str, ...] = (),
) -> Path:  # fmt: skip
    """Publish a ranking as a release that is never changed again.

    Args:
        run: The run.
        ranking: The ranking of the run's present grid.
        name: Name of the release: letters, digits, dots, underscores and dashes.
        folder: Folder of all releases; `releases/` of the run if None.
        images: Whether the release holds the run's images, too.
        authors: Names for CITATION.cff.

    Returns:
        The folder `<name>-v<k>`. A version with equal bytes is returned as it is; other content
        becomes the next free version.

    Raises:
        RunError: If the ranking is of another run or grid, the name has other characters, or
            images are asked for and there are none.
        StoreError: If the run is in an object store, and no folder is given.
    """
    files: dict[str, Content] = {}
    for key in PUBLISH:
        artifact: Artifact = load(PUBLISH, key, "published artifact", base=Artifact)()
        files |= artifact.files(run, ranking)
    origin = origin_of(run, ranking)
    files |= small_tables(run, origin)
    target = folder or run.store.path(RELEASES_FOLDER)
    with images_aside(run, target, origin, wanted=images) as (drawn, count):
        files |= drawn
        files |= cover(run, ranking, files, authors=authors, images=count)
        return write_release(target, name, files)
