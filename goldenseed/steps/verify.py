"""Verify a run: read everything back and hash it again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from analysis.publish.base import SUMS
from pipeline.errors import ShardError, StoreError
from pipeline.runs.layout import RELEASES_FOLDER
from pipeline.runs.run import Run
from pipeline.storage.content_hash import content_sha256
from pipeline.storage.parquet import file_sha256
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGE_CONTENT, IMAGE_TYPE
from pipeline.storage.shards import RECEIPTS, ShardFolder, set_aside


@dataclass(frozen=True)
class Checked:
    """One shard or release file that was read back.

    Attributes:
        name: Key of the shard's receipt, or path of the release file.
        problem: What is wrong with it; empty if nothing is.
    """

    name: str
    problem: str


def verify_run(run: Run) -> Iterator[Checked]:
    """Hash each shard and each release of a run again. A damaged file does not hide others.

    The check covers each file's size and hash, its page checksums, rows and content hash, and
    that a shard belongs to this run and grid. A feature shard must also name the content of the
    image shard as it is now.
    """
    sources = {tile.id: "" for tile in run.tiles()}
    for folder in (run.images, *run.feature_folders()):
        for key in folder.receipt_keys():
            try:
                receipt = Receipt.from_json(run.store.read(key), key)
                yield Checked(key, _check(folder, receipt, run.run_id, sources))
            except ShardError as error:
                yield Checked(key, str(error))
    yield from _releases(run)


def _check(folder: ShardFolder, receipt: Receipt, run_id: str, sources: dict[str, str]) -> str:
    """Say what is wrong with a shard. Adds the content hash of an image shard to `sources`."""
    if receipt.shard_id not in sources:
        return "is not a tile of the run's grid"
    if receipt.source_sha256 and sources[receipt.shard_id] != receipt.source_sha256:
        return "was made from images that no longer exist"
    if not receipt.source_sha256:
        sources[receipt.shard_id] = receipt.content_sha256
    return check_shard(folder, receipt, run_id)


def check_shard(folder: ShardFolder, receipt: Receipt, run_id: str) -> str:
    """Say what is wrong with a shard by itself; empty if nothing is.

    Raises:
        ShardError: If it cannot be read.
    """
    path = folder.data_path(receipt)
    if receipt.run_id != run_id:
        return f"belongs to run {receipt.run_id}"
    if not path.exists():
        return "its data file is missing"
    if path.stat().st_size != receipt.file_bytes:
        return f"has {path.stat().st_size} bytes, its receipt says {receipt.file_bytes}"
    table = folder.read(receipt)
    if table.num_rows != receipt.rows:
        return f"has {table.num_rows} rows, its receipt says {receipt.rows}"
    if content_sha256(table, folder.content or content_columns(table)) != receipt.content_sha256:
        return "its content is not what its receipt says"
    if file_sha256(path) != receipt.file_sha256:
        return "a byte of its file has changed"
    return ""


def content_columns(table: pa.Table) -> list[str]:
    """List the columns in a shard's content hash: all columns, or some for an image shard."""
    is_image = any(field.type == IMAGE_TYPE for field in table.schema)
    return list(IMAGE_CONTENT) if is_image else list(table.column_names)


def _releases(run: Run) -> Iterator[Checked]:
    """Compare the files of each release with its checksums."""
    for release in run.store.folders(RELEASES_FOLDER):
        sums = run.store.path(f"{RELEASES_FOLDER}/{release}/{SUMS}")
        if not sums.is_file():
            yield Checked(f"{RELEASES_FOLDER}/{release}", f"holds no {SUMS}")
            continue
        for line in sums.read_text().splitlines():
            wanted, _, name = line.partition("  ")
            path = sums.with_name(name)
            actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            problem = "" if actual == wanted else f"is not what {SUMS} says"
            yield Checked(f"{RELEASES_FOLDER}/{release}/{name}", problem)


def repair(run: Run, shard: Checked) -> bool:
    """Set a damaged shard aside, so that the next run makes it again.

    Returns:
        Whether it was set aside. A release is never touched.
    """
    if not shard.name.startswith(f"{RECEIPTS}/"):
        return False
    try:
        return set_aside(run.store, shard.name)
    except StoreError:
        return False
