"""Shards: Parquet files that are whole or absent. The only file that writes Parquet.

The data file has a name of its own (`<shard>-<attempt>.parquet`), is fsynced, read back and
checked; then a small JSON receipt that names it is put if absent. Whoever loses that race
deletes its own data. Readers follow receipts and never look for files, so a process may die
between any two steps: what it leaves is invisible, and the same command does the shard again.

Page checksums are written because Parquet does not notice a flipped byte by itself, and are
verified by every read here. Images are neither compressed nor dictionary-encoded, since they are
compressed already, and row groups are short, so that one image does not cost a whole file.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ShardError, StoreError
from pipeline.failpoints import failpoint
from pipeline.storage.content_hash import content_sha256
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.random_access import read_rows
from pipeline.storage.receipts import Receipt as Receipt
from pipeline.storage.schema import IMAGE_TYPE
from pipeline.storage.store import LocalStore, make_folder, store_errors, sync_file

ROW_GROUP_ROWS = 50
"""Rows in a row group: reading one image reads at most these."""

FOOTER_TAIL = 8
"""Bytes at the end of a Parquet file: the footer's length (4, little-endian) and "PAR1"."""

FOOTER_KEY = b"goldenseed"
"""Parquet metadata key under which a shard's provenance stands, as JSON."""


def write_table(path: Path, table: pa.Table, *, provenance: Mapping[str, object]) -> None:
    """Write and fsync one Parquet file that must not exist yet.

    Args:
        path: The file.
        table: The rows. Its schema metadata is kept.
        provenance: Written into the footer as JSON.

    Raises:
        StoreError: If it cannot be written (a full disk, no permission).
    """
    metadata = {**(table.schema.metadata or {}), FOOTER_KEY: json.dumps(provenance).encode()}
    images = [f.name for f in table.schema if f.type == IMAGE_TYPE]
    plain = [f.name for f in table.schema if f.name not in images]
    make_folder(path.parent)
    with store_errors(path), path.open("xb") as file:
        pq.write_table(
            table.replace_schema_metadata(metadata),
            file,
            row_group_size=ROW_GROUP_ROWS,
            compression={**dict.fromkeys(plain, "zstd"), **_image_leaves(images)},
            use_dictionary=[f.name for f in table.schema if pa.types.is_string(f.type)],
            write_page_checksum=True,
            write_statistics=plain,
        )
        failpoint("data_written")
        file.flush()
        os.fsync(file.fileno())
        sync_file(path.parent)


def _image_leaves(images: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{leaf}": "NONE" for name in images for leaf in ("bytes", "path")}


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file with its page checksums verified.

    Args:
        path: The file.
        columns: Columns to read; all if None.

    Raises:
        ShardError: If the file is missing, truncated, empty, or has a changed byte.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(None if columns is None else list(columns))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ShardError(f"shard {path} cannot be read: {error}") from error


def footer_sha256(path: Path) -> str:
    """Hash a Parquet file's footer: schema, places of the columns, provenance.

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


def replace_table(
    store: LocalStore, key: str, table: pa.Table, *, provenance: Mapping[str, object]
) -> None:
    """Write a derived table whatever was there, whole or not at all."""
    target = store.path(key)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        write_table(aside, table, provenance=provenance)
        with store_errors(target):
            aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


class ShardFolder:
    """A folder of shards of one kind: `<block>/<shard>-<attempt>.parquet` and `receipts/`.

    Args:
        store: Where the folder is.
        prefix: The folder's key, for example "images".
        content: The columns that make a shard's content hash.
    """

    def __init__(self, store: LocalStore, prefix: str, content: Sequence[str]) -> None:
        self.store = store
        self.prefix = prefix
        self.content = tuple(content)

    def receipt_key(self, shard_id: str, block: str) -> str:
        """Where the receipt of a shard is, if it is complete."""
        return f"{self.prefix}/receipts/{block}/{shard_id}.json"

    def receipt(self, shard_id: str, block: str) -> Receipt | None:
        """The receipt of a shard, or None if the shard is not there."""
        key = self.receipt_key(shard_id, block)
        try:
            return Receipt.from_json(self.store.read(key), key)
        except FileNotFoundError:
            return None

    def has(self, shard_id: str, block: str, source_sha256: str = "") -> bool:
        """Whether the shard is there, whole, and made from this very source."""
        receipt = self.receipt(shard_id, block)
        return receipt is not None and self._holds(receipt, source_sha256)

    def _holds(self, receipt: Receipt, source_sha256: str) -> bool:
        if source_sha256 and receipt.source_sha256 != source_sha256:
            return False
        return self.intact(receipt)

    def intact(self, receipt: Receipt) -> bool:
        """Whether the receipt's data file is there and has its size; no byte is read."""
        path = self.store.path(f"{self.prefix}/{receipt.file}")
        return path.exists() and path.stat().st_size == receipt.file_bytes

    def receipt_keys(self) -> Iterator[str]:
        """The keys of all receipts, block by block."""
        return self.store.list(f"{self.prefix}/receipts", ".json")

    def receipts(self) -> Iterator[Receipt]:
        """All receipts, block by block."""
        for key in self.receipt_keys():
            yield Receipt.from_json(self.store.read(key), key)

    def commit(
        self,
        shard_id: str,
        block: str,
        table: pa.Table,
        *,
        run_id: str,
        failed: int = 0,
        source_sha256: str = "",
        provenance: Mapping[str, object],
    ) -> tuple[Receipt, bool]:
        """Write a shard and its receipt; of several attempts exactly one wins.

        A receipt that is no longer valid (its data is gone, or its source has changed) is
        superseded first.

        Args:
            shard_id: The tile's id.
            block: The seed block, the receipt's folder.
            table: The rows.
            run_id: The run that the shard belongs to.
            failed: Rows without a usable image.
            source_sha256: Content hash of the shard that this one was made from, if any.
            provenance: Where, when and with what it was made.

        Returns:
            The receipt that is now in place, and whether it stands for these rows: it is this
            attempt's, or that of a winner with the same content.

        Raises:
            ShardError: If the file reads back differently from what was written.
            StoreError: If it cannot be written (a full disk, no permission).
        """
        failpoint("before_data")
        old = self.receipt(shard_id, block)
        if old is not None and not self._holds(old, source_sha256):
            self.supersede(shard_id, block)
        file = f"{block}/{shard_id}-{secrets.token_hex(4)}.parquet"
        path = self.store.path(f"{self.prefix}/{file}")
        try:
            write_table(path, table, provenance=provenance)
            failpoint("data_synced")
            digest = self._validated(path, table)
            failpoint("data_validated")
            receipt = Receipt(
                shard_id=shard_id,
                block=block,
                file=file,
                rows=table.num_rows,
                file_bytes=path.stat().st_size,
                content_sha256=digest,
                footer_sha256=footer_sha256(path),
                file_sha256=file_sha256(path),
                run_id=run_id,
                failed=failed,
                source_sha256=source_sha256,
                provenance=provenance,
            )
            won = self.store.put_if_absent(self.receipt_key(shard_id, block), receipt.to_json())
        except BaseException:
            if not self._names(shard_id, block, file):
                path.unlink(missing_ok=True)
            raise
        failpoint("receipt_linked")
        if won:
            return receipt, True
        path.unlink(missing_ok=True)
        winner = self._winner(shard_id, block)
        return winner, winner.content_sha256 == digest

    def _names(self, shard_id: str, block: str, file: str) -> bool:
        """Whether the receipt may name this file: interrupted just after it was linked."""
        try:
            receipt = self.receipt(shard_id, block)
        except (OSError, ShardError, StoreError):
            return True
        return receipt is not None and receipt.file == file

    def _winner(self, shard_id: str, block: str) -> Receipt:
        winner = self.receipt(shard_id, block)
        if winner is None:
            raise ShardError(f"the receipt of shard {shard_id} vanished while it was written")
        return winner

    def _validated(self, path: Path, table: pa.Table) -> str:
        """Compare what the file holds with what was to be written; give the content hash."""
        digest, columns = content_sha256(table, self.content), list(self.content)
        stored = read_table(path, columns).select(columns)
        # NaN does not equal NaN, so tables that differ are compared by their hashes too.
        same = stored.equals(table.select(columns))
        if not same and content_sha256(stored, self.content) != digest:
            raise ShardError(f"shard {path} read back differently from what was written")
        return digest

    def read(self, receipt: Receipt, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a shard, its footer and page checksums verified.

        Raises:
            ShardError: If the file is missing, truncated, empty, or has a changed byte.
        """
        return read_table(self._checked_path(receipt), columns)

    def read_rows(self, receipt: Receipt, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some rows of a shard, in the order of `rows`; only their row groups are read.

        Raises:
            ShardError: If the file is missing, truncated, empty, has no such row, or has a
                changed byte in its footer or in what is read.
        """
        return read_rows(self._checked_path(receipt), rows, columns)

    def _checked_path(self, receipt: Receipt) -> Path:
        """The data file of a shard, once its footer is the one that the receipt names."""
        path = self.store.path(f"{self.prefix}/{receipt.file}")
        if receipt.footer_sha256 not in ("", footer_sha256(path)):
            raise ShardError(f"shard {path} has another footer than its receipt says")
        return path

    def supersede(self, shard_id: str, block: str) -> None:
        """Move a receipt out of the way, so that its shard counts as absent; data stays."""
        key = self.receipt_key(shard_id, block)
        aside = f"{self.prefix}/superseded/{block}/{shard_id}-{secrets.token_hex(4)}.json"
        if self.store.exists(key):
            # Another driver may move it first.
            with suppress(FileNotFoundError):
                self.store.move(key, aside)
