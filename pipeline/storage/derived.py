"""Derived files that are no JSON: tables and checkpoints, each with a receipt of its own.

The receipt is `receipts/<key>.json` and names the hash of the file. While a file is replaced, its
receipt names the old and the new hash, so that an interruption never looks like damage.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.errors import ShardError
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.parquet import read_table, write_table
from pipeline.storage.sealed import seal, unseal
from pipeline.storage.shards import RECEIPTS
from pipeline.storage.store import (
    LocalStore,
    discard,
    make_folder,
    store_errors,
    sync_file,
    sync_folder,
)

ABSENT = "absent"
"""Stands for the hash of a file that may not be there yet."""


def replace_table(
    store: LocalStore, key: str, table: pa.Table, *, provenance: Mapping[str, object]
) -> None:
    """Write a derived table, completely or not at all, over an older one."""
    replace_file(store, key, lambda path: write_table(path, table, provenance=provenance))


def replace_file(store: LocalStore, key: str, write: Callable[[Path], object]) -> None:
    """Write a derived file, completely or not at all, over an older one.

    Args:
        store: The run folder.
        key: The file.
        write: Writes a new file at the path that it is given.
    """
    target = store.path(key)
    make_folder(target.parent)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with store_errors(target):
            write(aside)
            sync_file(aside)
        new = sha256_of_file(aside)
        _note(store, key, [*_hashes_before(store, key), new])
        with store_errors(target):
            aside.replace(target)
            sync_folder(target.parent)  # before the receipt names it alone
    finally:
        discard(aside)
    _note(store, key, [new])


def read_derived_table(store: LocalStore, key: str) -> pa.Table:
    """Read a derived table.

    Raises:
        ShardError: If it is missing, or not what its receipt says.
    """
    if problem := damage_of(store, key):
        raise ShardError(f"{store.path(key)} {problem}")
    return read_table(store.path(key))


def damage_of(store: LocalStore, key: str) -> str:
    """Say what is wrong with a derived file; empty if nothing is."""
    hashes = _known_hashes(store, key)
    if not hashes:
        return f"has no receipt {receipt_key(key)}, or a damaged one"
    try:
        digest = sha256_of_file(store.path(key))
    except FileNotFoundError:
        return "" if ABSENT in hashes else "is missing"
    return "" if digest in hashes else f"is not what its receipt {receipt_key(key)} says"


def receipt_key(key: str) -> str:
    """The key of a derived file's receipt."""
    return f"{RECEIPTS}/{key}.json"


def adopt(store: LocalStore, key: str) -> None:
    """Give a file of an earlier version, which has no receipt, one."""
    if store.path(key).is_file() and not store.exists(receipt_key(key)):
        _note(store, key, [sha256_of_file(store.path(key))])


def _hashes_before(store: LocalStore, key: str) -> list[str]:
    """Give the hashes that a file may have before it is replaced."""
    known = _known_hashes(store, key)[-2:]
    if known or not store.exists(key):
        return known or [ABSENT]
    return [sha256_of_file(store.path(key))]


def _note(store: LocalStore, key: str, hashes: Sequence[str]) -> None:
    store.replace(receipt_key(key), seal({"file": key, "sha256_of_file": list(hashes)}))


def _known_hashes(store: LocalStore, key: str) -> list[str]:
    """Read the hashes that a file may have; empty without a usable receipt."""
    try:
        fields = unseal(store.read(receipt_key(key)))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    hashes = fields.get("sha256_of_file")
    if fields.get("file") != key or not isinstance(hashes, list):
        return []
    return [each for each in hashes if isinstance(each, str)]
