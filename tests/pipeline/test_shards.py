"""Shards: whole or absent, one receipt each, and no changed byte unnoticed."""

import errno
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline import shards
from pipeline.errors import ShardError, StoreError
from pipeline.failpoints import FAILPOINTS
from pipeline.schema import IMAGES, SCHEMA_VERSION
from pipeline.shards import Receipt, ShardFolder, content_sha256, read_table, write_table
from pipeline.store import LocalStore
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, Item, table


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


def commit(folder: ShardFolder, number: int = 0, **options: str) -> Receipt:
    return folder.commit(
        Item(number).id, BLOCK, table(number), run_id="run", provenance={"host": "a"}, **options
    )


def data_file(folder: ShardFolder, receipt: Receipt) -> Path:
    return folder.store.path(f"{folder.prefix}/{receipt.file}")


def names(folder: ShardFolder) -> set[str]:
    """All files below the folder, hidden ones too, receipts left out."""
    place = folder.store.path(folder.prefix)
    found = {path for path in place.rglob("*") if path.is_file()}
    return {path.name for path in found if "receipts" not in path.parts}


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
    receipt = folder.commit("0", BLOCK, table(0, rows=0), run_id="run", provenance={})
    assert folder.has("0", BLOCK)
    assert folder.read(receipt).num_rows == 0


def test_the_second_of_two_attempts_leaves_nothing(folder: ShardFolder) -> None:
    first, second = commit(folder), commit(folder)
    assert second == first
    assert names(folder) == {data_file(folder, first).name}


def test_the_content_hash_knows_values_only() -> None:
    columns = ["name", "value"]
    wanted = content_sha256(table(0), columns)
    assert content_sha256(pa.concat_tables([table(0, 10), table(0).slice(10)]), columns) == wanted
    assert content_sha256(table(0).append_column("more", [[0] * 40]), columns) == wanted
    changed = [table(1), table(0, 39), table(0).take(np.arange(40)[::-1])]
    assert wanted not in [content_sha256(other, columns) for other in changed]
    a, b = (pa.table({"name": words}) for words in (["ab", "c"], ["a", "bc"]))
    assert content_sha256(a, ["name"]) != content_sha256(b, ["name"])
    a, b = (pa.table({"name": pa.array(w, pa.string())}) for w in (["", None], [None, ""]))
    assert content_sha256(a, ["name"]) != content_sha256(b, ["name"])


def test_another_source_makes_a_shard_absent_and_supersedes_it(folder: ShardFolder) -> None:
    old = commit(folder, source_sha256="a")
    assert folder.has(old.shard_id, BLOCK, "a")
    assert not folder.has(old.shard_id, BLOCK, "b")
    new = commit(folder, source_sha256="b")
    assert new.source_sha256 == "b"
    assert list(folder.receipts()) == [new]
    assert data_file(folder, old).exists()
    assert len(list(folder.store.list("things/superseded", ".json"))) == 1


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
    """How many of some flipped bits, spread over the file, change what is read in silence."""
    path = data_file(folder, receipt)
    raw, whole = path.read_bytes(), folder.read(receipt)
    rng, silent = random.Random(7), 0
    for place in range(0, len(raw), 29):
        changed = bytearray(raw)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            silent += not read().equals(whole)
        except ShardError:
            continue
    path.write_bytes(raw)
    return silent


def test_no_flipped_bit_changes_what_is_read(images: ShardFolder) -> None:
    receipt = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    assert flips(images, receipt, lambda: images.read(receipt)) == 0
    assert images.read(receipt).equals(image_table())


def test_page_checksums_alone_miss_the_footer(images: ShardFolder) -> None:
    receipt = images.commit("0", BLOCK, image_table(), run_id="run", provenance={})
    path = data_file(images, receipt)
    assert flips(images, receipt, lambda: read_table(path)) > 0


def test_parquet_by_itself_misses_even_the_data(tmp_path: Path) -> None:
    """Why checksums are written: pyarrow's own defaults read a changed image in silence."""
    path = tmp_path / "plain.parquet"
    write_table(path, image_table(), provenance={})
    raw = path.read_bytes()
    place = raw.index(bytes([3]) * 40) + 10
    path.write_bytes(raw[:place] + b"\xff" + raw[place + 1 :])
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
def test_a_damaged_receipt_is_said(folder: ShardFolder, text: bytes, message: str) -> None:
    key = folder.receipt_key("0", BLOCK)
    folder.store.replace(key, text)
    with pytest.raises(ShardError, match=message):
        list(folder.receipts())


class FullDisk:
    """Raises ENOSPC at the k-th call of what writes: file writes, fsync and links."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
        self.left = allowed
        for name in ("fsync", "link"):
            monkeypatch.setattr(os, name, self.limited(getattr(os, name)))
        opened = Path.open

        def limited_open(path: Path, mode: str = "r") -> object:
            file = opened(path, mode)
            return _Limited(file, self) if "x" in mode else file

        monkeypatch.setattr(Path, "open", limited_open)

    def limited(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            self.count()
            return call(*arguments)

        return counted

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Limited:
    """A file whose writes are counted; all else is the file's own."""

    def __init__(self, file: IO[bytes], disk: FullDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> int:
        self._disk.count()
        return self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def __enter__(self) -> "_Limited":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def test_a_disk_that_fills_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The k-th call fails for every k: no receipt without data, no leftovers, then all is well."""
    messages: list[str] = []
    for allowed in range(1000):
        folder = faults.folder(tmp_path / str(allowed))
        with monkeypatch.context() as patch:
            FullDisk(patch, allowed)
            try:
                commit(folder)
                break
            except StoreError as error:
                messages.append(str(error))
        linked = list(folder.receipts())
        assert names(folder) == {data_file(folder, receipt).name for receipt in linked}
        assert all(folder.read(receipt).equals(table(0)) for receipt in linked)
        commit(folder)
        assert folder.has(Item(0).id, BLOCK)
    assert 8 < len(messages) < 999
    wanted = [f"{tmp_path}/{allowed}/things/" for allowed in range(len(messages))]
    assert all(place in message for place, message in zip(wanted, messages, strict=True))
    assert all("the disk is full" in message for message in messages)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """/dev/full refuses every write: the error that the system gives, not one made up here."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with (
        pytest.raises(StoreError, match="the disk is full"),
        shards.store_errors(tmp_path / "shard"),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_an_interruption_after_the_link_keeps_the_data(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the receipt's folder is flushed: the receipt stands, so must its data."""
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


class Death(BaseException):
    """The process ends here, as a failpoint would end it, without any clean-up."""


class ShardMachine(RuleBasedStateMachine):
    """Any order of commits, deaths, damage and repair, and what must hold after each."""

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.folder = faults.folder(self.root)
        self.committed: set[int] = set()
        self.damaged: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    @rule(number=st.integers(0, 2))
    def commit(self, number: int) -> None:
        before = self.folder.receipt(Item(number).id, BLOCK)
        receipt = commit(self.folder, number)
        if before is not None and self.folder.intact(before):
            assert receipt == before, "a commit replaced a shard that was there"
        if before != receipt:
            self.damaged.discard(number)
        self.committed.add(number)

    @rule(number=st.integers(0, 2), name=st.sampled_from(FAILPOINTS))
    def die(self, number: int, name: str) -> None:
        had = self.folder.has(Item(number).id, BLOCK)
        code = _in_a_dying_process(lambda: commit(self.folder, number), name)
        # No second receipt is written where one stands.
        assert code == (0 if had and name == "receipt_written" else 137)
        if name == "receipt_linked" and not had:
            self.committed.add(number)
            self.damaged.discard(number)

    @rule(number=st.integers(0, 2))
    def lose_data(self, number: int) -> None:
        receipt = self.folder.receipt(Item(number).id, BLOCK)
        if receipt is not None:
            data_file(self.folder, receipt).unlink(missing_ok=True)
            self.committed.discard(number)

    @rule(number=st.integers(0, 2), place=st.integers(0, 10_000))
    def flip(self, number: int, place: int) -> None:
        receipt = self.folder.receipt(Item(number).id, BLOCK)
        if receipt is None or number not in self.committed or number in self.damaged:
            return
        path = data_file(self.folder, receipt)
        raw = bytearray(path.read_bytes())
        raw[place % len(raw)] ^= 16
        path.write_bytes(raw)
        self.damaged.add(number)

    @rule(number=st.integers(0, 2))
    def supersede(self, number: int) -> None:
        self.folder.supersede(Item(number).id, BLOCK)
        self.committed.discard(number)
        self.damaged.discard(number)

    @invariant()
    def what_is_committed_is_there(self) -> None:
        if not hasattr(self, "root"):
            return
        there = {n for n in range(3) if self.folder.has(Item(n).id, BLOCK)}
        assert there == self.committed

    @invariant()
    def nothing_wrong_is_read(self) -> None:
        if not hasattr(self, "root"):
            return
        seen = []
        for receipt in self.folder.receipts():
            number = int(receipt.shard_id, 16)
            seen.append(number)
            if number not in self.committed:
                continue
            try:
                assert self.folder.read(receipt).equals(table(number))
            except ShardError:
                assert number in self.damaged
        assert len(set(seen)) == len(seen)


def _in_a_dying_process(work: Callable[[], object], name: str) -> int:
    """Run with every clean-up disabled from the failpoint on, as if the process were gone."""
    passed = False

    def die(place: str) -> None:
        nonlocal passed
        if place == name:
            passed = True
            raise Death

    with pytest.MonkeyPatch.context() as patch:
        for module in ("pipeline.shards", "pipeline.store"):
            patch.setattr(f"{module}.failpoint", die)
        unlink = Path.unlink
        patch.setattr(
            Path, "unlink", lambda path, missing_ok=False: passed or unlink(path, missing_ok)
        )
        try:
            work()
        except Death:
            return 137
    return 0


TestShardMachine = ShardMachine.TestCase
TestShardMachine.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
