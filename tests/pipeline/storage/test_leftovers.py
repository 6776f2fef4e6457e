"""What interrupted processes leave is found, and the folders that others read are in order."""

from pathlib import Path

import pytest

from pipeline.storage.leftovers import leftovers, settle, unnamed
from pipeline.storage.shards import ShardFolder
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, Item, commit, data_file


@pytest.fixture
def folder(tmp_path: Path) -> ShardFolder:
    return faults.folder(tmp_path)


def left(folder: ShardFolder) -> dict[str, bool]:
    return {file.key: file.superseded for file in leftovers(folder.store)}


def write(folder: ShardFolder, key: str, data: bytes = b"half a file") -> None:
    path = folder.store.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_complete_shards_leave_nothing(folder: ShardFolder) -> None:
    commit(folder, 0)
    commit(folder, 0)
    settle(folder)
    assert left(folder) == {}


def test_an_attempt_without_receipt_is_a_leftover_and_stays_where_nobody_looks(
    folder: ShardFolder,
) -> None:
    commit(folder, 0)
    key = f"attempts/things/{BLOCK}/{Item(0).id}-00000000.parquet"
    write(folder, key)
    write(folder, f"receipts/things/{BLOCK}/.{Item(1).id}.json.0a1b2c3d")
    write(folder, "releases/.s-v1.0a1b2c3d/README.md")
    settle(folder)
    assert left(folder) == {
        key: False,
        f"receipts/things/{BLOCK}/.{Item(1).id}.json.0a1b2c3d": False,
        "releases/.s-v1.0a1b2c3d/README.md": False,
    }
    assert sum(file.bytes for file in leftovers(folder.store)) == 3 * len(b"half a file")


def test_a_committed_file_that_was_not_moved_is_read_and_moved(folder: ShardFolder) -> None:
    receipt = commit(folder, 0)
    placed = data_file(folder, receipt)
    attempt = folder.store.path(f"attempts/things/{receipt.file}")
    placed.rename(attempt)
    assert data_file(folder, receipt) == attempt
    assert folder.intact(receipt)
    assert folder.read(receipt).equals(faults.table(0))
    assert left(folder) == {}, "it is committed"
    settle(folder)
    assert data_file(folder, receipt) == placed


@pytest.mark.parametrize("number", [0, 1])
def test_a_data_file_without_receipt_is_set_aside(folder: ShardFolder, number: int) -> None:
    """Beside a complete shard (0) or alone (1)."""
    receipt = commit(folder, 0)
    file = f"{BLOCK}/{Item(number).id}-00000000.parquet"
    write(folder, f"things/{file}")
    assert unnamed(folder) == [file]
    settle(folder)
    assert faults.names(folder) == {Path(receipt.file).name}
    (key,) = left(folder)
    assert key.startswith(f"superseded/things/{file}-")
    assert left(folder)[key]
