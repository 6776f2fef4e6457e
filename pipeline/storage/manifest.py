"""The manifest: all receipts of a shard folder in one Parquet file, which can be rebuilt.

A large run has tens of thousands of receipts, and opening all of them takes seconds; the manifest
holds them in one file. It only makes the same answer faster: an entry counts while its receipt is
still the same file (same time of change), any other receipt is read, and deleting the manifest
loses nothing.
"""

from contextlib import suppress
from dataclasses import fields

import pyarrow as pa

from pipeline.errors import ShardError
from pipeline.storage.derived import read_derived_table, replace_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import MANIFEST
from pipeline.storage.shards import RECEIPTS, ShardFolder

MANIFESTS = "manifests"


def receipt_index(folder: ShardFolder) -> dict[str, Receipt]:
    """All receipts by shard id, from the manifest where it is up to date.

    Receipts from the manifest have no provenance, which is in the receipt file and in the footer
    of the shard.
    """
    entries = _read_manifest(folder)
    receipts = {}
    for key, changed in _change_times(folder):
        entry = entries.get(key)
        if entry is not None and entry[0] == changed:
            receipts[entry[1].shard_id] = entry[1]
            continue
        with suppress(FileNotFoundError):  # superseded since the folder was listed
            receipt = Receipt.from_json(folder.store.read(key), key)
            receipts[receipt.shard_id] = receipt
    return receipts


def compact(folder: ShardFolder) -> None:
    """Write the manifest again from all receipts."""
    change_times = dict(_change_times(folder))
    rows = []
    for receipt in receipt_index(folder).values():
        key = folder.receipt_key(receipt.shard_id, receipt.block)
        if key in change_times:
            values = {name: getattr(receipt, name) for name in _receipt_columns()}
            rows.append({"receipt": key, "changed_ns": change_times[key], **values})
    table = pa.Table.from_pylist(rows, schema=MANIFEST.arrow())
    replace_table(folder.store, manifest_key(folder), table, provenance={})


def manifest_key(folder: ShardFolder) -> str:
    """The key of a shard folder's manifest."""
    return f"{MANIFESTS}/{folder.prefix}.parquet"


def _receipt_columns() -> list[str]:
    return [field.name for field in fields(Receipt) if field.name != "provenance"]


def _read_manifest(folder: ShardFolder) -> dict[str, tuple[int, Receipt]]:
    """Receipt key -> (time of change, receipt); empty if there is no usable manifest."""
    if not folder.store.exists(manifest_key(folder)):
        return {}
    try:
        table = read_derived_table(folder.store, manifest_key(folder))
    except ShardError:
        return {}
    if table.schema.types != MANIFEST.arrow().types or table.column_names != MANIFEST.names:
        return {}
    if any(column.null_count for column in table.columns):
        return {}
    columns = table.to_pydict()
    names = _receipt_columns()
    receipts = (
        Receipt(**dict(zip(names, values, strict=True)))
        for values in zip(*(columns[name] for name in names), strict=True)
    )
    entries = zip(columns["changed_ns"], receipts, strict=True)
    return dict(zip(columns["receipt"], entries, strict=True))


def _change_times(folder: ShardFolder) -> list[tuple[str, int]]:
    """(key, time of change in ns) of each receipt."""
    change_times = []
    root = f"{RECEIPTS}/{folder.prefix}"
    for entry in folder.store.entries(root):
        name = entry.key.rpartition("/")[2]
        if name.endswith(".json") and not name.startswith("."):
            change_times.append((entry.key, entry.changed_ns))
    return change_times
