"""Writes and reads Parquet files; the only file that writes Parquet.

Page checksums are written, because Parquet itself does not notice a flipped byte, and each read
here verifies them. Images are neither compressed nor dictionary-encoded, since they are
compressed already, and their row groups are short, so that one image does not cost a whole file.
Tables without images are read whole, and have one row group up to a few megabytes. A page index
says where each page begins, which the Hugging Face viewer asks for.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ShardError
from pipeline.failpoints import failpoint
from pipeline.storage.disk import make_folder, store_errors, sync_folder
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.schema import IMAGE_TYPE

ROW_GROUP_ROWS = 50
"""Rows in a row group of images: reading one image reads at most these."""
ROW_GROUP_BYTES = 16 * 2**20
"""Bytes in a row group of other tables: a tile of 2,048 numbers an image takes half of that."""

MAX_UNFOLDED_BYTES = 256 * 2**20
"""A table may always take this much memory."""
MAX_UNFOLDING = 100
"""A larger table takes at most this many times the size of its file: Parquet stores a repeated
value or an empty row in almost nothing, so a small file can hold any number of rows."""

FOOTER_TAIL = 8
"""Bytes at the end of a Parquet file: the footer's length (4, little-endian) and "PAR1"."""

FOOTER_KEY = b"goldenseed"
"""Parquet metadata key that holds the provenance of a shard, as JSON."""


def write_table(path: Path, table: pa.Table, *, provenance: Mapping[str, object]) -> None:
    """Write and fsync one Parquet file, which must not exist yet.

    Args:
        path: The file.
        table: The rows. Its schema metadata is kept.
        provenance: Written into the footer as JSON.

    Raises:
        StoreError: If it cannot be written (a full disk, no permission).
    """
    make_folder(path.parent)
    with store_errors(path), path.open("xb") as file:
        _write(file, table, provenance)
        failpoint("data_written")
        file.flush()
        os.fsync(file.fileno())
        sync_folder(path.parent)


def _rows_in_group(schema: pa.Schema) -> int:
    """Choose the length of row groups; each costs time to open, however short it is."""
    if IMAGE_TYPE in schema.types:
        return ROW_GROUP_ROWS
    return max(ROW_GROUP_ROWS, ROW_GROUP_BYTES // sum(map(_bytes_of_row, schema.types)))


def table_bytes(table: pa.Table, *, provenance: Mapping[str, object]) -> bytes:
    """Give the bytes that `write_table` would write."""
    file = io.BytesIO()
    _write(file, table, provenance)
    return file.getvalue()


def _write(file: BinaryIO, table: pa.Table, provenance: Mapping[str, object]) -> None:
    metadata = {**(table.schema.metadata or {}), FOOTER_KEY: json.dumps(provenance).encode()}
    images = [field.name for field in table.schema if field.type == IMAGE_TYPE]
    plain = [field.name for field in table.schema if field.name not in images]
    pq.write_table(
        table.replace_schema_metadata(metadata),
        file,
        row_group_size=_rows_in_group(table.schema),
        compression={**dict.fromkeys(plain, "zstd"), **_image_leaves(images)},
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        write_page_checksum=True,
        write_page_index=True,
        write_statistics=plain,
    )


def _image_leaves(images: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{leaf}": "NONE" for name in images for leaf in ("bytes", "path")}


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file with its page checksums verified.

    Args:
        path: The file.
        columns: Columns to read; all if None.

    Raises:
        ShardError: If the file is missing, truncated, empty, or has a changed byte, or would take
            far more memory than its size.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            refuse_unfolding(path, file, columns)
            return file.read(None if columns is None else list(columns))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error


def refuse_unfolding(path: Path, file: pq.ParquetFile, columns: Sequence[str] | None) -> None:
    """Refuse a table that would take far more memory than its file; only the footer is read.

    Args:
        path: The file.
        file: The file, opened.
        columns: Columns that are about to be read; all if None.

    Raises:
        ShardError: If the rows would take more than `MAX_UNFOLDED_BYTES` and more than
            `MAX_UNFOLDING` times the file.
    """
    fields = [f for f in file.schema_arrow if columns is None or f.name in columns]
    unfolded = file.metadata.num_rows * sum(_bytes_of_row(field.type) for field in fields)
    size = path.stat().st_size
    if unfolded > max(MAX_UNFOLDED_BYTES, MAX_UNFOLDING * size):
        raise ShardError(
            f"shard {path} has {size:,} bytes and would take {unfolded:,} in memory "
            f"({file.metadata.num_rows:,} rows), which no shard of images or features does; "
            f"remove it"
        )


def _bytes_of_row(kind: pa.DataType) -> int:
    """Give the least number of bytes that a value of this type takes in memory."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _bytes_of_row(kind.value_type)
    if pa.types.is_struct(kind):
        return sum(_bytes_of_row(field.type) for field in kind)
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:  # of variable length: at least an offset
        return 4


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
            refuse_unfolding(path, file, columns)
            group_rows = _rows_per_group(file.metadata)
            groups = sorted({row // group_rows for row in rows})
            table = file.read_row_groups(groups, columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
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


def footer_sha256(path: Path) -> str:
    """Hash a Parquet file's footer: schema, positions of the columns, provenance.

    Raises:
        ShardError: If the file is missing or too short to have one.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(-FOOTER_TAIL, os.SEEK_END) + FOOTER_TAIL
            length = int.from_bytes(file.read(4), "little") + FOOTER_TAIL
            file.seek(max(0, size - length))
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error


def file_sha256(path: Path) -> str:
    """Hash a whole file.

    Raises:
        ShardError: If it is missing.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error
