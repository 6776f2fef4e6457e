"""Publish runs as releases, in a folder or on the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.publish import publish
from analysis.publish.hub import SCHEME, Upload, parse_target, upload
from analysis.ranking import rank as ranks
from goldenseed.progress import note
from pipeline.errors import ConfigError, counted
from pipeline.runs.run import Run
from pipeline.storage.address import local_path


@dataclass(frozen=True)
class Wanted:
    """What to publish, and where.

    Attributes:
        to: Folder of the releases, or hf://datasets/OWNER/NAME; empty for the folder of the run.
        images: Whether the release holds images.
        authors: Names for CITATION.cff.
        dry_run: Whether to say what would be uploaded, and upload nothing.
    """

    to: str = ""
    images: bool = False
    authors: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def hub(self) -> bool:
        """Whether the release is to be uploaded."""
        return self.to.startswith(SCHEME)


def publish_all(runs: Sequence[Run], wanted: Wanted) -> list[Path]:
    """Write the rankings of runs as releases.

    Args:
        runs: The runs; the arms of a recipe, or one run.
        wanted: What to publish, and where.

    Returns:
        The folder of each release. The same ranking gives the same folder again.

    Raises:
        ConfigError: If several runs are to be uploaded to one repository, if `dry_run` is asked
            for and nothing would be uploaded, or if the place is an address other than hf://.
    """
    repo = parse_target(wanted.to) if wanted.hub else ""
    if repo and len(runs) > 1:
        names = ", ".join(run.root.name for run in runs)
        raise ConfigError(f"a repository holds one release; publish one arm at a time: {names}")
    if wanted.dry_run and not repo:
        raise ConfigError("--dry-run is for uploads; add --to hf://datasets/OWNER/NAME")
    releases = [publish_run(run, wanted) for run in runs]
    if repo:
        _upload(Upload(repo, releases[0]), dry_run=wanted.dry_run)
    return releases


def _upload(wanted: Upload, *, dry_run: bool) -> None:
    size = sum(path.stat().st_size for path in wanted.files)
    what = f"{len(wanted.files):,} files, {size:,} bytes, as tag {wanted.tag} of {wanted.repo}"
    if dry_run:
        note(f"nothing is uploaded; without --dry-run: {what}, by a pull request")
        for path in wanted.files:
            note(f"  {path.relative_to(wanted.folder).as_posix()} ({path.stat().st_size:,} bytes)")
    else:
        note(f"uploading {what}")
        note(f"uploaded: {upload(wanted, note)}")


def publish_run(run: Run, wanted: Wanted) -> Path:
    """Write the ranking of a run as a release, and say what of the run is missing in it."""
    ranking = ranks.read_ranking(run)
    if missing := len(run.missing()):
        note(
            f"{run.root.name}: {counted(missing, 'shard has', 'shards have')} no images now; the "
            f"lists are those of the whole grid, ranked before, and missing images are left out"
        )
    return publish(
        run,
        ranking,
        name=release_name(run),
        folder=local_path(wanted.to) if wanted.to and not wanted.hub else None,
        images=wanted.images,
        authors=wanted.authors,
    )


def release_name(run: Run) -> str:
    """Name the releases of a run: its recipe, and its arm where the recipe has arms."""
    return f"{run.recipe.name}-{run.root.name}" if run.recipe.arms else run.recipe.name
