"""The manifest: all receipts of a shard folder in one Parquet file, derived and rebuildable.

A large run has tens of thousands of receipts, and opening each of them takes seconds; the
manifest holds them in one file. It is only ever a faster way to the same answer: an entry
counts while the receipt it was read from is still the same file (same time of change), every
other receipt is read itself, and deleting the manifest loses nothing.
"""

import os
from contextlib import suppress
from dataclasses import fields

import pyarrow as pa

from pipeline.errors import ShardError
from pipeline.storage.parquet import read_table, replace_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import MANIFEST
from pipeline.storage.shards import ShardFolder

MANIFEST_FILE = "manifest.parquet"


def receipt_index(folder: ShardFolder) -> dict[str, Receipt]:
    """All receipts by shard id, through the manifest where it holds.

    Receipts that come from the manifest have no provenance: that stands in the receipt file
    and in the shard's footer.
    """
    known = _read(folder)
    found = {}
    for key, changed in _stamps(folder):
        row = known.get(key)
        if row is not None and row[0] == changed:
            found[row[1].shard_id] = row[1]
            continue
        with suppress(FileNotFoundError):  # superseded since the folder was listed
            receipt = Receipt.from_json(folder.store.read(key), key)
            found[receipt.shard_id] = receipt
    return found


def compact(folder: ShardFolder) -> None:
    """Write the manifest anew from what `receipt_index` finds."""
    stamps = dict(_stamps(folder))
    index = receipt_index(folder)
    rows = []
    for receipt in index.values():
        key = folder.receipt_key(receipt.shard_id, receipt.block)
        if key in stamps:
            values = {name: getattr(receipt, name) for name in _receipt_columns()}
            rows.append({"receipt": key, "changed_ns": stamps[key], **values})
    table = pa.Table.from_pylist(rows, schema=MANIFEST.arrow())
    replace_table(folder.store, f"{folder.prefix}/{MANIFEST_FILE}", table, provenance={})


def _receipt_columns() -> list[str]:
    return [field.name for field in fields(Receipt) if field.name != "provenance"]


def _read(folder: ShardFolder) -> dict[str, tuple[int, Receipt]]:
    """Receipt key -> (time of change, receipt); nothing if there is no sound manifest."""
    path = folder.store.path(f"{folder.prefix}/{MANIFEST_FILE}")
    if not path.exists():
        return {}
    try:
        table = read_table(path)
    except ShardError:
        return {}
    if table.column_names != MANIFEST.names:
        return {}
    columns = table.to_pydict()
    names = _receipt_columns()
    receipts = (
        Receipt(**dict(zip(names, values, strict=True)))
        for values in zip(*(columns[name] for name in names), strict=True)
    )
    stamped = zip(columns["changed_ns"], receipts, strict=True)
    return dict(zip(columns["receipt"], stamped, strict=True))


def _stamps(folder: ShardFolder) -> list[tuple[str, int]]:
    """(key, time of change in ns) of every receipt."""
    found = []
    for block in folder.store.folders(f"{folder.prefix}/receipts"):
        with os.scandir(folder.store.path(f"{folder.prefix}/receipts/{block}")) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    key = f"{folder.prefix}/receipts/{block}/{entry.name}"
                    found.append((key, entry.stat().st_mtime_ns))
    return found
