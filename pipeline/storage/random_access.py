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
        # One column chunk is read: to buffer ahead and to share it among threads only copies it.
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            group, place = _place(file.metadata, row, path)
            column = file.read_row_group(group, columns=["image.bytes"], use_threads=False)["image"]
    except (OSError, pa.ArrowException) as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error
    image: bytes | None = (column[place].as_py() or {}).get("bytes")
    return image


def _place(metadata: pq.FileMetaData, row: int, path: Path) -> tuple[int, int]:
    """The row group that holds a row, and its place there; all groups but the last are full."""
    if not 0 <= row < metadata.num_rows:
        raise ShardError(f"shard {path} has {metadata.num_rows} rows, row {row} was asked for")
    full: int = metadata.row_group(0).num_rows
    return divmod(row, full)
