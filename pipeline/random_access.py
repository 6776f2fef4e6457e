"""One image out of a shard, at the price of its row group instead of the file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ShardError


def read_image(path: Path, row: int) -> bytes | None:
    """Read one encoded image of a shard, with the checksums of its pages verified.

    Args:
        path: The shard's data file.
        row: Row in the file, from 0.

    Returns:
        The encoded image, or None where the row keeps none.

    Raises:
        ShardError: If the file is missing, truncated, has a changed byte in that row group, or
            has no such row.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            group, first = _row_group(file.metadata, row, path)
            column = file.read_row_group(group, columns=["image.bytes"])["image"]
    except (OSError, pa.ArrowException) as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error
    image: bytes | None = (column[row - first].as_py() or {}).get("bytes")
    return image


def _row_group(metadata: pq.FileMetaData, row: int, path: Path) -> tuple[int, int]:
    """The row group that holds a row, and the row at which it begins."""
    first = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if 0 <= row - first < rows:
            return group, first
        first += rows
    raise ShardError(f"shard {path} has {first} rows, row {row} was asked for")
