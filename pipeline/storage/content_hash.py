"""Hashes the values of a table; two tables with equal hashes have the same content.

The hash does not depend on files: on chunks, compression, or the ends of row groups.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.storage.schema import IMAGE_TYPE


def content_sha256(table: pa.Table, columns: Sequence[str]) -> str:
    """Hash the values of some columns, however Arrow or Parquet store them.

    Args:
        table: The rows, in their order.
        columns: The columns to hash: texts, numbers, fixed-size lists or images.

    Returns:
        sha256 as hex.
    """
    digest = hashlib.sha256()
    for name in columns:
        column = table[name]
        if column.type == IMAGE_TYPE:
            column = pc.struct_field(column, "bytes")
        _hash_column(digest, column)
    return digest.hexdigest()


def _hash_column(digest: "hashlib._Hash", column: pa.ChunkedArray) -> None:
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    digest.update(np.packbits(np.asarray(column.is_valid())).tobytes())
    if pa.types.is_fixed_size_list(column.type):
        column = pc.list_flatten(pc.drop_null(column))
    for value in pc.drop_null(column).to_pylist() if _is_text(column.type) else ():
        raw = value.encode() if isinstance(value, str) else value
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    if not _is_text(column.type):
        digest.update(
            np.ascontiguousarray(pc.drop_null(column).to_numpy(zero_copy_only=False)).tobytes()
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))
