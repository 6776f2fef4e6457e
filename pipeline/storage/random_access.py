"""Reads some rows of a shard at the cost of their row groups instead of the whole file."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ShardError


def read_rows(path: Path, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Read some rows of a shard, with the checksums of their pages verified.

    Args:
        path: The shard's data file.
        rows: Row numbers in the file, from 0, in any order.
        columns: Columns to read.

    Returns:
        One row for each row number, in the order given.

    Raises:
        ShardError: If the file is missing, truncated, has a changed byte in one of the row groups
            read, or has no such row.
    """
    try:
        # Few column chunks are read: reading ahead and sharing them among threads only adds copies.
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            _refuse_beyond_end(path, rows, file.metadata.num_rows)
            group_rows = _rows_per_group(file.metadata)
            groups = sorted({row // group_rows for row in rows})
            table = file.read_row_groups(groups, columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error
    start = {group: index * group_rows for index, group in enumerate(groups)}
    positions = [start[row // group_rows] + row % group_rows for row in rows]
    return table.take(pa.array(positions, pa.int64()))


def _rows_per_group(metadata: pq.FileMetaData) -> int:
    """Rows in each row group; the last group may have fewer."""
    return metadata.row_group(0).num_rows if metadata.num_row_groups else 1


def _refuse_beyond_end(path: Path, rows: Sequence[int], count: int) -> None:
    beyond = [row for row in rows if not 0 <= row < count]
    if beyond:
        raise ShardError(f"shard {path} has {count} rows; row {beyond[0]} was asked for")
