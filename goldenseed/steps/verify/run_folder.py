"""Verify a run folder, also one whose run.json or grid is damaged."""

from collections.abc import Iterator

from goldenseed.steps.verify.checked import Checked
from goldenseed.steps.verify.files import check_files
from goldenseed.steps.verify.known import Known
from goldenseed.steps.verify.missing import check_missing
from goldenseed.steps.verify.releases import check_releases
from goldenseed.steps.verify.shards import check_shards
from pipeline.errors import StoreError
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import GRID_FOLDER, IMAGES_FOLDER, RUN_FILE
from pipeline.runs.run import Run
from pipeline.storage.address import Place
from pipeline.storage.leftovers import Leftover, leftovers
from pipeline.storage.open_store import store_at
from pipeline.storage.shards import RECEIPTS, ShardFolder, set_aside


class RunFolder:
    """A run folder whose files are checked.

    Args:
        path: The folder.

    Raises:
        RunError: If it holds no file of a run.
    """

    def __init__(self, path: Place) -> None:
        self.store = store_at(path)
        parts = {GRID_FOLDER, IMAGES_FOLDER, RECEIPTS}
        if not self.store.exists(RUN_FILE) and not parts & set(self.store.folders("")):
            read_identity(path)
        self.known = Known(self.store)

    def check(self) -> Iterator[Checked]:
        """Read every file back that a result depends on. A damaged file does not hide others.

        Work in progress is no damage: a run may be verified while it is drawn.
        """
        yield from self.known.files
        yield from check_shards(self.known)
        yield from check_files(self.known)
        yield from check_releases(self.store)
        if not self.known.damaged:
            yield from check_missing(Run.open(self.store.root))

    def repair(self, file: Checked) -> bool:
        """Set a damaged file aside, so that the next command makes it again.

        Returns:
            Whether anything was set aside.
        """
        try:
            return any([set_aside(self.store, key) for key in file.aside])
        except StoreError:
            return False

    def undrawn(self) -> int:
        """Count the tiles of the grid that have no image shard yet."""
        images = ShardFolder(self.store, IMAGES_FOLDER, ())
        tiles = self.known.tiles.values()
        keys = (images.receipt_key(tile.id, tile.block) for tile in tiles)
        return sum(not self.store.exists(key) for key in keys)

    def leftovers(self) -> list[Leftover]:
        """List the files that no result depends on."""
        return [*leftovers(self.store)]
