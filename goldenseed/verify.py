"""Verification: read everything back and hash it again."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline.errors import GoldenseedError, ShardError
from pipeline.runs import Run
from pipeline.schema import IMAGE_CONTENT, IMAGE_TYPE
from pipeline.shards import Receipt, ShardFolder, content_sha256


@dataclass(frozen=True)
class Checked:
    """One shard that was read back.

    Attributes:
        folder: "images" or "features/<name>-<id>".
        receipt: Its receipt.
        problem: What is wrong with it; empty if nothing is.
    """

    folder: ShardFolder
    receipt: Receipt
    problem: str


def verify_run(run: Run) -> Iterator[Checked]:
    """Re-hash every shard of a run.

    Checked are the size, the page checksums, the number of rows, the content hash, that the
    shard belongs to this run, and, for features, that the images they were made from are
    still those.
    """
    tiles = {tile.id for tile in run.tiles()}
    sources: dict[str, str] = {}
    for receipt in run.images.receipts():
        sources[receipt.shard_id] = receipt.content_sha256
        problem = check_shard(run.images, receipt, run.run_id)
        if not problem and receipt.shard_id not in tiles:
            problem = "is no tile of the run's grid"
        yield Checked(run.images, receipt, problem)
    for folder in feature_folders(run):
        for receipt in folder.receipts():
            problem = check_shard(folder, receipt, run.run_id)
            if not problem and sources.get(receipt.shard_id) != receipt.source_sha256:
                problem = "was made from images that are not there any more"
            yield Checked(folder, receipt, problem)


def feature_folders(run: Run) -> list[ShardFolder]:
    """The run's feature folders, whatever features this program knows."""
    names = run.store.folders("features")
    return [ShardFolder(run.store, f"features/{name}", ()) for name in names]


def check_shard(folder: ShardFolder, receipt: Receipt, run_id: str) -> str:
    """What is wrong with a shard, or an empty string."""
    path = folder.store.path(f"{folder.prefix}/{receipt.file}")
    if receipt.run_id != run_id:
        return f"belongs to run {receipt.run_id}"
    if not path.exists():
        return "its data file is missing"
    if path.stat().st_size != receipt.file_bytes:
        return f"has {path.stat().st_size} bytes, its receipt says {receipt.file_bytes}"
    try:
        table = folder.read(receipt)
    except ShardError as error:
        return str(error)
    if table.num_rows != receipt.rows:
        return f"has {table.num_rows} rows, its receipt says {receipt.rows}"
    if content_sha256(table, folder.content or content_columns(table)) != receipt.content_sha256:
        return "its content is not what its receipt says"
    return ""


def content_columns(table: pa.Table) -> list[str]:
    """The columns that a shard's hash covers: of images a few, of features all."""
    is_image = any(field.type == IMAGE_TYPE for field in table.schema)
    return list(IMAGE_CONTENT) if is_image else list(table.column_names)


def repair(bad: Checked) -> None:
    """Move a damaged shard's receipt away, so that the next run makes the shard again."""
    bad.folder.supersede(bad.receipt.shard_id, bad.receipt.block)


def damaged_receipts(run: Run) -> list[tuple[str, str]]:
    """(key, problem) of receipts that cannot even be read."""
    found = []
    for key in run.store.list("images/receipts", ".json"):
        try:
            Receipt.from_json(run.store.read(key), key)
        except GoldenseedError as error:
            found.append((key, str(error)))
    return found
