"""Shards: Parquet files that are complete or absent.

The data file has a name of its own (`<shard>-<attempt>.parquet`) and is written in `attempts/`. It
is fsynced, read back and checked; then a small JSON receipt that names it is put into place if none
is there, and the file is moved to the folder of its kind. An attempt that loses that race deletes
its own data. A process may die between any two steps: what it leaves in `attempts/` is invisible to
programs that read the whole folder, and the same command makes the shard again. Our own readers
follow receipts, which also find a file that was not moved yet.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from pipeline.errors import ShardError, StoreError
from pipeline.failpoints import failpoint
from pipeline.storage.content_hash import content_sha256
from pipeline.storage.parquet import file_sha256, footer_sha256, read_rows, read_table, write_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.store import Store

ATTEMPTS = "attempts"
"""Data files that no receipt names yet: `attempts/<kind>/<block>/<shard>-<attempt>.parquet`."""
RECEIPTS = "receipts"
"""Receipts: `receipts/<kind>/<block>/<shard>.json`."""
SUPERSEDED = "superseded"
"""Receipts and data files that were set aside, under the keys that they had."""


class _DataFile(TypedDict):
    """What a receipt says of its data file."""

    file_bytes: int
    content_sha256: str
    footer_sha256: str
    file_sha256: str


class ShardFolder:
    """The shards of one kind: `<kind>/<block>/<shard>-<attempt>.parquet`, and nothing else.

    Args:
        store: Where the folder is.
        prefix: The folder's key, for example "images".
        content: The columns that make a shard's content hash.
    """

    def __init__(self, store: Store, prefix: str, content: Sequence[str]) -> None:
        self.store = store
        self.prefix = prefix
        self.content = tuple(content)

    def receipt_key(self, shard_id: str, block: str) -> str:
        """The key of a shard's receipt, which exists once the shard is complete."""
        return f"{RECEIPTS}/{self.prefix}/{block}/{shard_id}.json"

    def data_key(self, receipt: Receipt) -> str:
        """The data file of a receipt: in its folder, or in `attempts/` until it is moved."""
        key, attempt = f"{self.prefix}/{receipt.file}", self._attempt(receipt.file)
        moved = self.store.exists(key) or not self.store.exists(attempt)
        return key if moved else attempt

    def data_path(self, receipt: Receipt) -> Path:
        """The path of a receipt's data file; StoreError if the store is not on a disk."""
        return self.store.path(self.data_key(receipt))

    def _attempt(self, file: str) -> str:
        return f"{ATTEMPTS}/{self.prefix}/{file}"

    def receipt(self, shard_id: str, block: str) -> Receipt | None:
        """The receipt of a shard, or None if the shard is absent."""
        key = self.receipt_key(shard_id, block)
        try:
            return Receipt.from_json(self.store.read(key), key)
        except FileNotFoundError:
            return None

    def has(self, shard_id: str, block: str, source_sha256: str = "") -> bool:
        """Whether the shard is complete and was made from this source."""
        receipt = self.receipt(shard_id, block)
        return receipt is not None and self._is_valid(receipt, source_sha256)

    def _is_valid(self, receipt: Receipt, source_sha256: str) -> bool:
        if source_sha256 and receipt.source_sha256 != source_sha256:
            return False
        return self.intact(receipt)

    def intact(self, receipt: Receipt) -> bool:
        """Whether the receipt's data file exists and has the right size; no byte is read."""
        return self.data_bytes(receipt) == receipt.file_bytes

    def data_bytes(self, receipt: Receipt) -> int | None:
        """The size of a receipt's data file, None if it is missing; no byte is read."""
        for key in (f"{self.prefix}/{receipt.file}", self._attempt(receipt.file)):
            with suppress(FileNotFoundError):
                return self.store.entry(key).bytes
        return None

    def receipt_keys(self) -> Iterator[str]:
        """The keys of all receipts, block by block."""
        return self.store.list(f"{RECEIPTS}/{self.prefix}", ".json")

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
            source_sha256: Content hash of the shard that this shard was made from, if any.
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
        if old is not None and not self._is_valid(old, source_sha256):
            self.supersede(shard_id, block)
        file = f"{block}/{shard_id}-{secrets.token_hex(4)}.parquet"
        key = self._attempt(file)
        try:
            receipt = Receipt(
                shard_id=shard_id,
                block=block,
                file=file,
                rows=table.num_rows,
                run_id=run_id,
                failed=failed,
                source_sha256=source_sha256,
                provenance=provenance,
                **self._write_data(key, table, provenance),
            )
            won = self.store.put_if_absent(self.receipt_key(shard_id, block), receipt.to_json())
        except BaseException:
            if not self._names(shard_id, block, file):
                self._discard(key)
            raise
        failpoint("receipt_linked")
        if won:
            self.place(file)
            return receipt, True
        self._discard(key)
        winner = self._winner(shard_id, block)
        return winner, winner.content_sha256 == receipt.content_sha256

    def _discard(self, key: str) -> None:
        """Remove a file that nothing needs; if the store refuses, it stays as a leftover."""
        with suppress(OSError, StoreError):
            self.store.remove(key)

    def place(self, file: str) -> None:
        """Move a data file that a receipt names from `attempts/` to its folder.

        The file is whole in either place, and a lost move is repeated.

        Args:
            file: The file, relative to the folder.
        """
        with suppress(FileNotFoundError):  # another process moves it, too
            self.store.move(f"{ATTEMPTS}/{self.prefix}/{file}", f"{self.prefix}/{file}")

    def is_named(self, file: str) -> bool:
        """Whether a receipt names this data file.

        Raises:
            ShardError: If the receipt of its shard is damaged.
        """
        receipt = self.receipt(*shard_of(file))
        return receipt is not None and receipt.file == file

    def _names(self, shard_id: str, block: str, file: str) -> bool:
        """Whether the receipt may name this file: the interruption came after it was linked."""
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

    def _write_data(self, key: str, table: pa.Table, provenance: Mapping[str, object]) -> _DataFile:
        """Write the data file and read it back; give what the receipt says of the file."""
        with self.store.new_file(key) as path:
            write_table(path, table, provenance=provenance)
        failpoint("data_synced")
        digest = content_sha256(table, self.content)
        with self.store.local_file(key) as path:
            self._refuse_changed(path, table, digest)
            failpoint("data_validated")
            return {
                "file_bytes": path.stat().st_size,
                "content_sha256": digest,
                "footer_sha256": footer_sha256(path),
                "file_sha256": file_sha256(path),
            }

    def _refuse_changed(self, path: Path, table: pa.Table, digest: str) -> None:
        """Compare what the file holds with what was to be written."""
        columns = list(self.content)
        stored = read_table(path, columns).select(columns)
        # NaN does not equal NaN, so tables that differ are compared by their hashes too.
        same = stored.equals(table.select(columns))
        if not same and content_sha256(stored, self.content) != digest:
            raise ShardError(f"shard {path} read back differently from what was written")

    def read(self, receipt: Receipt, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows of a shard; its footer and page checksums are verified.

        Raises:
            ShardError: If the file is missing, truncated, empty, or has a changed byte.
        """
        with self._data_file(receipt) as path:
            return read_table(path, columns)

    def read_rows(self, receipt: Receipt, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Read some rows of a shard, in the order of `rows`, at the cost of their row groups.

        Raises:
            ShardError: If the file is missing, truncated, empty, has no such row, or has a
                changed byte in its footer or in what is read.
        """
        with self._data_file(receipt) as path:
            return read_rows(path, rows, columns)

    def file_sha256(self, receipt: Receipt) -> str:
        """Hash the data file of a shard.

        Raises:
            ShardError: If it is missing.
        """
        with self._data_file(receipt) as path:
            return file_sha256(path)

    @contextmanager
    def _data_file(self, receipt: Receipt) -> Iterator[Path]:
        """The data file of a shard, whose footer has the hash in the receipt.

        An error of the block names the file, and says what to do about a damaged shard.
        """
        key = self.data_key(receipt)
        try:
            with self.store.local_file(key) as path, _named(path, self.store.where(key)):
                if receipt.footer_sha256 not in ("", footer_sha256(path)):
                    raise ShardError(f"shard {path} has another footer than its receipt says")
                yield path
        except (ShardError, FileNotFoundError) as error:
            raise ShardError(
                f"{error}; `goldenseed repair {self.store.root}` makes it again"
            ) from error

    def supersede(self, shard_id: str, block: str) -> None:
        """Set a shard aside, so that it counts as absent: its receipt first, then its data."""
        key = self.receipt_key(shard_id, block)
        try:
            file = Receipt.from_json(self.store.read(key), key).file
        except FileNotFoundError:
            return
        set_aside(self.store, key)
        for data in (f"{self.prefix}/{file}", f"{ATTEMPTS}/{self.prefix}/{file}"):
            set_aside(self.store, data)


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Name a file in errors as the store does; a download has a path of its own."""
    try:
        yield
    except ShardError as error:
        raise ShardError(str(error).replace(str(path), name)) from error


def shard_of(file: str) -> tuple[str, str]:
    """Give the id and the block of the shard that a data file belongs to, by its name.

    Example:
        >>> shard_of("0a0b0c0d/00112233aabbccdd-01ef.parquet")
        ('00112233aabbccdd', '0a0b0c0d')
    """
    block, _, name = file.rpartition("/")
    return name.rpartition("-")[0], block


def set_aside(store: Store, key: str) -> bool:
    """Move a file to `superseded/`; nothing is deleted.

    Returns:
        Whether it was there; another process may move it first.
    """
    try:
        store.move(key, f"{SUPERSEDED}/{key}-{secrets.token_hex(4)}")
    except FileNotFoundError:
        return False
    return True
