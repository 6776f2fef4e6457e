"""A disk that fills up leaves no receipt without data and no other file; the message is plain."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from pipeline.errors import StoreError
from pipeline.storage.disk import store_errors
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, Item, commit, data_file, names, table


class FullDisk:
    """Raises ENOSPC at the k-th call that writes: file writes, fsync and links."""

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
    """A file whose writes are counted."""

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
    """The k-th call fails, for every k; once there is room, the shards are complete."""
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
    wanted = [f"{tmp_path}/{allowed}/" for allowed in range(len(messages))]
    assert all(path in message for path, message in zip(wanted, messages, strict=True))
    assert all("the disk is full" in message for message in messages)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """/dev/full refuses each write with the real error of the system."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with (
        pytest.raises(StoreError, match="the disk is full"),
        store_errors(tmp_path / "shard"),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")
