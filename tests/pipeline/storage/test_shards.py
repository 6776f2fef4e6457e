"""Shards are complete or absent, have one receipt each, and no changed byte is missed."""

import json
import os
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ShardError
from pipeline.storage import shards
from pipeline.storage.content_hash import content_sha256
from pipeline.storage.local_store import LocalStore
from pipeline.storage.parquet import read_table, write_table
from pipeline.storage.receipts import Receipt
from pipeline.storage.schema import IMAGES, SCHEMA_VERSION
from pipeline.storage.shards import ShardFolder
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, commit, data_file, names, table


def image_table(rows: int = 6) -> pa.Table:
    row = {name: "x" for name in ("text", "object", "modifier", "group", "status")}
    return pa.Table.from_pylist(
        [
            {
                **row,
                "prompt_id": "ab",
                "seed": seed,
                "set": 1,
                "image": {"bytes": bytes([seed]) * 40, "path": None},
                "image_sha256": "ff",
                "constant": False,
                "truncated_tokens": 0,
                "micro_batch": 1,
            }
            for seed in range(rows)
        ],
        schema=IMAGES.arrow(),
    )


@pytest.fixture
def folder(tmp_path: Path) -> ShardFolder:
    return faults.folder(tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> ShardFolder:
    return ShardFolder(LocalStore(tmp_path), "images", ("prompt_id", "seed", "image"))


def test_what_is_committed_is_read(folder: ShardFolder) -> None:
    receipt = commit(folder)
    assert folder.has(receipt.shard_id, BLOCK)
    assert folder.read(receipt).equals(table(0))
    assert folder.read(receipt, ["value"]).column_names == ["value"]
    assert list(folder.receipts()) == [receipt]
    assert receipt.rows == 40
    assert receipt.file_bytes == data_file(folder, receipt).stat().st_size
    metadata = pq.read_schema(data_file(folder, receipt)).metadata
    assert json.loads(metadata[b"goldenseed"]) == {"host": "a"}


def test_a_shard_without_rows_is_a_shard(folder: ShardFolder) -> None:
    receipt, _ = folder.commit("0", BLOCK, table(0, rows=0), run_id="run", provenance={})
    assert folder.has("0", BLOCK)
    assert folder.read(receipt).num_rows == 0


def test_the_second_of_two_attempts_leaves_nothing(folder: ShardFolder) -> None:
    first, second = commit(folder), commit(folder)
    assert second == first
    assert names(folder) == {data_file(folder, first).name}


def test_content_is_hashed_once(folder: ShardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[pa.Table] = []

    def counted(table: pa.Table, columns: Sequence[str]) -> str:
        hashed.append(table)
        return content_sha256(table, columns)

    monkeypatch.setattr(shards, "content_sha256", counted)
    commit(folder)
    assert len(hashed) == 1
    rows = pa.table({"name": ["a"], "value": [float("nan")]})
    folder.commit("nan", BLOCK, rows, run_id="run", provenance={})
    assert len(hashed) == 3  # NaN equals nothing: here the hash compares


def test_a_commit_says_whether_its_rows_stand(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(number: int) -> tuple[Receipt, bool]:
        return folder.commit("0", BLOCK, table(number), run_id="run", provenance={})

    first, same = attempt(0)
    assert same
    assert attempt(0) == (first, True)
    assert attempt(1) == (first, False)


@pytest.mark.parametrize("rows", [[5], [119, 0, 60, 61], [0, 0], list(range(120)), []])
def test_some_rows_are_those_of_the_whole_shard(images: ShardFolder, rows: list[int]) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(120), run_id="run", provenance={})
    assert images.read_rows(receipt, rows, ["seed", "image"]).equals(
        image_table(120).select(["seed", "image"]).take(pa.array(rows, pa.int64()))
    )


def test_only_the_row_groups_of_the_rows_are_read(images: ShardFolder) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(120), run_id="run", provenance={})
    path = data_file(images, receipt)
    raw = path.read_bytes()
    position = raw.index(bytes([110]) * 40)  # an image of the third row group
    path.write_bytes(raw[:position] + b"\xff" + raw[position + 1 :])
    assert images.read_rows(receipt, [60], ["image"]).num_rows == 1
    with pytest.raises(ShardError, match="page integrity"):
        images.read_rows(receipt, [119], ["image"])
    with pytest.raises(ShardError, match="page integrity"):
        images.read(receipt)


@pytest.mark.parametrize(("width", "groups"), [(1, 1), (2048, 1), (16384, 5)])
def test_tables_without_images_are_not_cut_short(tmp_path: Path, width: int, groups: int) -> None:
    """Each row group costs time to open; 1,024 rows of Inception's features are one."""
    numbers = pa.array(np.zeros(1024 * width, np.float32))
    vectors = pa.FixedSizeListArray.from_arrays(numbers, width)
    rows = pa.table({"seed": range(1024), "vector": vectors})
    write_table(tmp_path / "x.parquet", rows, provenance={})
    assert pq.read_metadata(tmp_path / "x.parquet").num_row_groups == groups
    # The negative control: images stay cut into groups of 50.
    write_table(tmp_path / "y.parquet", image_table(120), provenance={})
    assert pq.read_metadata(tmp_path / "y.parquet").num_row_groups == 3


@pytest.mark.parametrize("row", [-1, 6, 1000])
def test_a_row_that_a_shard_does_not_have_is_refused(images: ShardFolder, row: int) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    with pytest.raises(ShardError, match=f"has 6 rows; row {row} was asked for"):
        images.read_rows(receipt, [row], ["image"])


def test_no_flipped_bit_changes_the_rows_that_are_read(images: ShardFolder) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    columns = images.read(receipt).column_names
    assert flips(images, receipt, lambda: images.read_rows(receipt, range(6), columns)) == 0


def test_another_source_makes_a_shard_absent_and_supersedes_it(folder: ShardFolder) -> None:
    old = commit(folder, source_sha256="a")
    assert folder.has(old.shard_id, BLOCK, "a")
    assert not folder.has(old.shard_id, BLOCK, "b")
    new = commit(folder, source_sha256="b")
    assert new.source_sha256 == "b"
    assert list(folder.receipts()) == [new]
    assert not data_file(folder, old).exists()
    aside = list(folder.store.list("superseded", ""))
    assert [re.sub(r"-\w{8}$", "", key) for key in aside] == [
        f"superseded/{folder.receipt_key(old.shard_id, BLOCK)}",
        f"superseded/things/{old.file}",
    ]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one byte short": lambda raw: raw[:-1],
    "half": lambda raw: raw[: len(raw) // 2],
    "empty": lambda raw: b"",
    "five bytes": lambda raw: raw[:5],
    "one byte flipped": lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_never_read(folder: ShardFolder, damage: str) -> None:
    receipt = commit(folder)
    path = data_file(folder, receipt)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ShardError, match=path.name):
        folder.read(receipt)
    path.unlink()
    assert not folder.has(receipt.shard_id, BLOCK)
    with pytest.raises(ShardError, match=path.name):
        folder.read(receipt)


def flips(folder: ShardFolder, receipt: Receipt, read: Callable[[], pa.Table]) -> int:
    """Flip bits all over the file, one by one; count those that change rows without error."""
    path = data_file(folder, receipt)
    raw, rows = path.read_bytes(), folder.read(receipt)
    rng, silent = random.Random(7), 0
    for position in range(0, len(raw), 29):
        changed = bytearray(raw)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            silent += not read().equals(rows)
        except ShardError:
            continue
    path.write_bytes(raw)
    return silent


def test_no_flipped_bit_changes_what_is_read(images: ShardFolder) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    assert flips(images, receipt, lambda: images.read(receipt)) == 0
    assert images.read(receipt).equals(image_table())


def test_page_checksums_alone_miss_the_footer(images: ShardFolder) -> None:
    receipt, _ = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    path = data_file(images, receipt)
    assert flips(images, receipt, lambda: read_table(path)) > 0


def test_parquet_by_itself_misses_even_the_data(tmp_path: Path) -> None:
    """The reason for checksums: pyarrow reads a changed image without error by default."""
    path = tmp_path / "plain.parquet"
    write_table(path, image_table(), provenance={})
    raw = path.read_bytes()
    position = raw.index(bytes([3]) * 40) + 10
    path.write_bytes(raw[:position] + b"\xff" + raw[position + 1 :])
    assert not pq.read_table(path).equals(image_table())
    with pytest.raises(ShardError, match="page integrity"):
        read_table(path)


def test_what_reads_back_differently_is_not_committed(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "read_table", lambda path, columns: table(1))
    with pytest.raises(ShardError, match="read back differently"):
        commit(folder)
    assert list(folder.receipts()) == []
    assert names(folder) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is damaged"),
        (b"[]", "is damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION}).encode(), "is damaged"),
        (json.dumps({"schema_version": 999}).encode(), "schema 999"),
    ],
)
def test_a_damaged_receipt_is_reported(folder: ShardFolder, text: bytes, message: str) -> None:
    key = folder.receipt_key("0", BLOCK)
    folder.store.replace(key, text)
    with pytest.raises(ShardError, match=message):
        list(folder.receipts())


def test_an_interruption_after_the_link_keeps_the_data(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C at the flush of the receipt's folder, both receipt and data must exist."""
    link = os.link

    def link_and_interrupt(source: Path, target: Path) -> None:
        link(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            commit(folder)
    (receipt,) = folder.receipts()
    assert folder.read(receipt).equals(table(0))


def test_a_shard_has_a_page_index_and_page_checksums(images: ShardFolder) -> None:
    """The Hugging Face viewer asks for the index; the content hash covers values, not pages."""
    receipt, _ = images.commit("0", BLOCK, image_table(120), run_id="run", provenance={})
    with pq.ParquetFile(data_file(images, receipt)) as file:
        chunks = [
            file.metadata.row_group(group).column(column)
            for group in range(file.metadata.num_row_groups)
            for column in range(file.metadata.num_columns)
        ]
    assert len(chunks) == 3 * 19
    assert all(chunk.has_offset_index for chunk in chunks)
    assert {c.path_in_schema for c in chunks if not c.has_column_index} == {
        "image.bytes",
        "image.path",
    }


@pytest.mark.parametrize("keep", [0, 7, -1])
def test_a_damaged_shard_says_how_to_mend_it(folder: ShardFolder, keep: int) -> None:
    receipt = commit(folder)
    path = data_file(folder, receipt)
    path.write_bytes(path.read_bytes()[:keep])
    advice = f"goldenseed repair {folder.store.root}"
    with pytest.raises(ShardError, match=advice):
        folder.read(receipt)
    with pytest.raises(ShardError, match=advice):
        folder.read_rows(receipt, [0], ["value"])
