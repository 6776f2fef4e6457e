"""Derived files that are no JSON: tables and checkpoints, each with a receipt of its own.

The receipt is `receipts/<key>.json` and names the hash of the file. While a file is replaced, its
receipt names the old and the new hash, so that an interruption never looks like damage.
"""

import hashlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipeline.errors import ShardError
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.parquet import read_table, table_bytes
from pipeline.storage.sealed import seal, unseal
from pipeline.storage.shards import RECEIPTS
from pipeline.storage.store import Store

ABSENT = "absent"
"""Stands for the hash of a file that may not be there yet."""


def replace_table(
    store: Store, key: str, table: pa.Table, *, provenance: Mapping[str, object]
) -> None:
    """Write a derived table, completely or not at all, over an older one."""
    replace_file(store, key, table_bytes(table, provenance=provenance))


def replace_file(store: Store, key: str, value: bytes) -> None:
    """Write a derived file, completely or not at all, over an older one."""
    new = hashlib.sha256(value).hexdigest()
    _note(store, key, [*_hashes_before(store, key), new])
    store.replace(key, value)
    _note(store, key, [new])


def read_derived_table(store: Store, key: str) -> pa.Table:
    """Read a derived table.

    Raises:
        ShardError: If it is missing, or not what its receipt says.
    """
    if problem := damage_of(store, key):
        raise ShardError(f"{store.where(key)} {problem}")
    with store.local_file(key) as path:
        return read_table(path)


def damage_of(store: Store, key: str) -> str:
    """Say what is wrong with a derived file; empty if nothing is."""
    hashes = _known_hashes(store, key)
    if not hashes:
        return f"has no receipt {receipt_key(key)}, or a damaged one"
    try:
        digest = sha256_of_key(store, key)
    except FileNotFoundError:
        return "" if ABSENT in hashes else "is missing"
    return "" if digest in hashes else f"is not what its receipt {receipt_key(key)} says"


def receipt_key(key: str) -> str:
    """The key of a derived file's receipt."""
    return f"{RECEIPTS}/{key}.json"


def adopt(store: Store, key: str) -> None:
    """Give a file of an earlier version, which has no receipt, one."""
    if store.exists(key) and not store.exists(receipt_key(key)):
        _note(store, key, [sha256_of_key(store, key)])


def _hashes_before(store: Store, key: str) -> list[str]:
    """Give the hashes that a file may have before it is replaced."""
    known = _known_hashes(store, key)[-2:]
    if known or not store.exists(key):
        return known or [ABSENT]
    return [sha256_of_key(store, key)]


def sha256_of_key(store: Store, key: str) -> str:
    """Hash the value of a key; FileNotFoundError if it has none."""
    with store.local_file(key) as path:
        return sha256_of_file(path)


def _note(store: Store, key: str, hashes: Sequence[str]) -> None:
    store.replace(receipt_key(key), seal({"file": key, "sha256_of_file": list(hashes)}))


def _known_hashes(store: Store, key: str) -> list[str]:
    """Read the hashes that a file may have; empty without a usable receipt."""
    try:
        fields = unseal(store.read(receipt_key(key)))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    hashes = fields.get("sha256_of_file")
    if fields.get("file") != key or not isinstance(hashes, list):
        return []
    return [each for each in hashes if isinstance(each, str)]
