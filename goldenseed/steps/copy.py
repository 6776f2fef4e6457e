"""Copy runs between a disk and an object store."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from goldenseed.steps.begin import run_folders
from pipeline.errors import RunError
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import DRIVERS_FOLDER, RUN_FILE
from pipeline.storage.address import Place, place_of
from pipeline.storage.disk import sync_file
from pipeline.storage.open_store import store_at
from pipeline.storage.shards import RECEIPTS
from pipeline.storage.store import Entry, Store


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Attributes:
        target: The new place.
        files: Files that were copied now.
        bytes: Their size.
        present: Data files that an earlier copy had brought.
    """

    target: str
    files: int
    bytes: int
    present: int


def copy_run(source: str | Place, target: str | Place, tell: Callable[[str], None]) -> Copied:
    """Copy a run, or all arms of a recipe. An interrupted copy is continued.

    Receipts come after their data files and run.json last, so a copy that was interrupted never
    looks like more than it is. Which processes work on the run is not copied.

    Args:
        source: A folder, or an address such as s3://bucket/run.
        target: Another, which is new, empty, or an earlier copy of the same run.
        tell: Takes a sentence on how far the copy is.

    Raises:
        RunError: If the source is no run, or the target holds another run.
        StoreError: If a store cannot be read or written.
    """
    old, new = store_at(source), store_at(target)
    for place in run_folders(source):
        read_identity(place)
        _refuse_other_run(old, new, str(place).removeprefix(str(place_of(source))).strip("/"))
    files = sorted((e for e in old.entries("") if _travels(e.key)), key=_order)
    copied = [entry for entry in files if not _is_present(new, entry)]
    total = sum(entry.bytes for entry in copied)
    tell(f"{len(copied):,} files, {total:,} bytes")
    for entry in copied:
        _copy(old, new, entry)
    return Copied(str(new.root), len(copied), total, len(files) - len(copied))


def _refuse_other_run(old: Store, new: Store, arm: str) -> None:
    key = f"{arm}/{RUN_FILE}".lstrip("/")
    if new.exists(key) and new.read(key) != old.read(key):
        raise RunError(f"{new.where(key)} is that of another run; copy to a new place")


def _travels(key: str) -> bool:
    *folders, name = key.split("/")
    return DRIVERS_FOLDER not in folders and not name.startswith(".")


def _order(entry: Entry) -> tuple[int, str]:
    """Data first, then receipts, then what a run is known by."""
    names = entry.key.split("/")
    rank = 2 if names[-1] == RUN_FILE else 1 if RECEIPTS in names[:-1] else 0
    return rank, entry.key


def _is_present(new: Store, entry: Entry) -> bool:
    """Whether an earlier copy brought a data file; other files may have changed since."""
    if not _is_data(entry.key):
        return False
    try:
        return new.entry(entry.key).bytes == entry.bytes
    except FileNotFoundError:
        return False


def _is_data(key: str) -> bool:
    """Whether a file is the data of a shard, whose name no other content ever has."""
    return re.search(r"/[0-9a-f]+-[0-9a-f]{8}\.parquet$", key) is not None


def _copy(old: Store, new: Store, entry: Entry) -> None:
    if not _is_data(entry.key):
        new.replace(entry.key, old.read(entry.key))
        return
    with old.local_file(entry.key) as path, new.new_file(entry.key) as copy:
        shutil.copyfile(path, copy)
        sync_file(copy)
