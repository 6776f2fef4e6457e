"""The manifest gives the same answer as the receipts, even if it is damaged or missing."""

from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import ShardError
from pipeline.storage.derived import receipt_key
from pipeline.storage.local_store import LocalStore
from pipeline.storage.manifest import compact, manifest_key, receipt_index
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import CELL_KEY, MANIFEST, Table
from pipeline.storage.shards import ShardFolder

TABLE = Table("cells", CELL_KEY)


@pytest.fixture
def folder(tmp_path: Path) -> ShardFolder:
    shards = ShardFolder(LocalStore(tmp_path), "images", TABLE.names)
    for number in range(5):
        _commit(shards, f"shard{number}", number)
    return shards


def _commit(folder: ShardFolder, name: str, seed: int) -> Receipt:
    rows = pa.table({"prompt_id": ["a"], "seed": [seed]}, schema=TABLE.arrow())
    receipt, _ = folder.commit(name, "block", rows, run_id="run", provenance={})
    return receipt


def _receipts(folder: ShardFolder) -> dict[str, Receipt]:
    return {r.shard_id: replace(r, provenance={}) for r in folder.receipts()}


def _index(folder: ShardFolder) -> dict[str, Receipt]:
    return {key: replace(r, provenance={}) for key, r in receipt_index(folder).items()}


def test_columns_are_those_of_a_receipt() -> None:
    columns = [field.name for field in fields(Receipt) if field.name != "provenance"]
    assert MANIFEST.names == ["receipt", "changed_ns", *columns]


def test_index_equals_receipts_before_and_after_compacting(folder: ShardFolder) -> None:
    wanted = _receipts(folder)
    assert len(wanted) == 5
    assert _index(folder) == wanted
    compact(folder)
    assert _index(folder) == wanted


def test_index_reads_no_receipt_that_the_manifest_holds(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact(folder)
    read, keys = folder.store.read, []

    def counted(key: str) -> bytes:
        keys.append(key)
        return read(key)

    monkeypatch.setattr(folder.store, "read", counted)
    assert len(receipt_index(folder)) == 5
    assert keys == [receipt_key(manifest_key(folder))]


def test_index_follows_new_superseded_and_repeated_shards(folder: ShardFolder) -> None:
    compact(folder)
    _commit(folder, "shard9", 9)
    folder.supersede("shard0", "block")
    folder.supersede("shard1", "block")
    again = _commit(folder, "shard1", 111)
    assert set(_index(folder)) == {"shard1", "shard2", "shard3", "shard4", "shard9"}
    assert _index(folder)["shard1"].content_sha256 == again.content_sha256
    assert _index(folder) == _receipts(folder)


@pytest.mark.parametrize("damage", [b"", b"not parquet", None])
def test_damaged_or_missing_manifest_costs_only_time(
    folder: ShardFolder, damage: bytes | None
) -> None:
    wanted = _receipts(folder)
    compact(folder)
    path = folder.store.path(manifest_key(folder))
    path.unlink() if damage is None else path.write_bytes(damage)
    assert _index(folder) == wanted


def test_damaged_receipt_is_named(folder: ShardFolder) -> None:
    key = folder.receipt_key("shard2", "block")
    folder.store.path(key).write_bytes(b"{}")
    with pytest.raises(ShardError, match="shard2"):
        receipt_index(folder)
