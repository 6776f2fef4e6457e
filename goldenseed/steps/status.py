"""Report the progress of a run, from its receipts alone."""

from dataclasses import asdict, dataclass

from analysis.studies.results import outcomes
from pipeline.imported.write import rest_folder
from pipeline.runs.layout import FEATURES_FOLDER, RANKING_FILE, RELEASES_FOLDER
from pipeline.runs.run import Run, feature_folders
from pipeline.storage.leftovers import leftovers
from pipeline.storage.manifest import receipt_index


@dataclass(frozen=True)
class Status:
    """The state of a run folder.

    Attributes:
        run: The folder.
        run_id: Hash of everything that defines the images.
        grid_hash: Hash of the set of cells.
        card: Name of the model's card.
        prompts: Number of prompts in the grid.
        seeds: Number of seeds in the grid.
        cells: Number of images in the grid.
        rest: Imported images outside the grid, in `rest/`.
        drawn: Cells in committed shards, failed ones included.
        failed: Drawn cells without a usable image.
        shards: Number of tiles in the grid.
        shards_done: Tiles that have a shard.
        image_bytes: Size of the image shards.
        features: Feature identity -> number of shards measured.
        ranked: Whether the run has a ranking.
        releases: Names of the releases.
        leftovers: Number of files that no result depends on: of interrupted attempts, or set aside.
        leftover_bytes: Their size.
        studies: Name of a study -> its outcome, in one line.
    """

    run: str
    run_id: str
    grid_hash: str
    card: str
    prompts: int
    seeds: int
    cells: int
    rest: int
    drawn: int
    failed: int
    shards: int
    shards_done: int
    image_bytes: int
    features: dict[str, int]
    ranked: bool
    releases: list[str]
    leftovers: int
    leftover_bytes: int
    studies: dict[str, str]

    def as_dict(self) -> dict[str, object]:
        """Return the status as plain values for JSON."""
        return asdict(self)


def status_of(run: Run) -> Status:
    """Read a run's state. Opens receipts (or their manifest), but no shard."""
    index = receipt_index(run.images)
    run.reread_grid()  # after the receipts: another driver may have added cells and drawn them
    prompts, seeds = run.prompts, run.seeds
    left = [*leftovers(run.store)]
    releases = run.store.folders(RELEASES_FOLDER)
    return Status(
        run=str(run.root),
        run_id=run.run_id,
        grid_hash=run.grid_hash,
        card=run.config.card,
        prompts=len(prompts),
        seeds=len(seeds),
        cells=len(prompts) * len(seeds),
        rest=sum(receipt.rows for receipt in receipt_index(rest_folder(run)).values()),
        drawn=sum(receipt.rows for receipt in index.values()),
        failed=sum(receipt.failed for receipt in index.values()),
        shards=sum(1 for _ in run.tiles()),
        shards_done=len(index),
        image_bytes=sum(receipt.file_bytes for receipt in index.values()),
        features={
            folder.prefix.removeprefix(f"{FEATURES_FOLDER}/"): sum(1 for _ in folder.receipt_keys())
            for folder in feature_folders(run.store)
        },
        ranked=run.store.exists(RANKING_FILE),
        releases=[name for name in releases if not name.startswith(".")],
        leftovers=len(left),
        leftover_bytes=sum(leftover.bytes for leftover in left),
        studies=outcomes(run),
    )
