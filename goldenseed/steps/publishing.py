"""Publish runs as releases, in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.publish import publish
from analysis.ranking import rank as ranks
from goldenseed.progress import note
from pipeline.runs.run import Run


@dataclass(frozen=True)
class Wanted:
    """What to publish, and where.

    Attributes:
        to: Folder of the releases; empty for that of the run.
        images: Whether the release holds images.
        authors: Names for CITATION.cff.
    """

    to: str = ""
    images: bool = False
    authors: tuple[str, ...] = ()


def publish_all(runs: Sequence[Run], wanted: Wanted) -> list[Path]:
    """Write the rankings of runs as releases.

    Args:
        runs: The runs; the arms of a recipe, or one run.
        wanted: What to publish, and where.

    Returns:
        The folder of each release. The same ranking gives the same folder again.
    """
    return [publish_run(run, wanted) for run in runs]


def publish_run(run: Run, wanted: Wanted) -> Path:
    """Write the ranking of a run as a release, and say what of the run is missing in it."""
    ranking = ranks.read_ranking(run)
    if missing := len(run.missing()):
        note(
            f"{run.root.name}: {missing:,} shards have no images now; the lists are those of the "
            f"whole grid, ranked before, and images that are missing are left out"
        )
    return publish(
        run,
        ranking,
        name=release_name(run),
        folder=Path(wanted.to) if wanted.to else None,
        images=wanted.images,
        authors=wanted.authors,
    )


def release_name(run: Run) -> str:
    """Name the releases of a run: its recipe, and its arm where the recipe has arms."""
    return f"{run.recipe.name}-{run.root.name}" if run.recipe.arms else run.recipe.name
