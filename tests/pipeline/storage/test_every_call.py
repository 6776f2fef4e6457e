"""Each call of the file system fails, or is the last one: what was committed is kept, and is whole.

The calls of two commits are numbered; the k-th fails, once or from then on, or the process dies or
the power is lost before it, for every k.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.system_calls import Act, failing, intercept
from pipeline.errors import StoreError
from pipeline.storage.leftovers import settle, unnamed
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, Item, table
from tests.pipeline.storage.forgetful_disk import ForgetfulDisk
from tests.profiles import LONG

SHARDS = 2
ERRORS = (errno.EIO, errno.EROFS)
ALL_ERRORS = (*ERRORS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EFBIG, errno.ESTALE)


class Death(BaseException):
    """Ends the work as a kill does: from then on, nothing on the disk can be changed."""


@contextmanager
def intercepted(root: Path, act: Act) -> Iterator[None]:
    """Act on each call of the file system in the block."""
    before = intercept(root, act)
    try:
        yield
    finally:
        for (module, name), call in before.items():
            setattr(module, name, call)


def dying(number: int) -> Act:
    def act(index: int, _: str) -> None:
        if index >= number:
            raise Death

    return act


def commit(root: Path) -> None:
    faults.commit_all(root, SHARDS)


def count_calls(root: Path) -> int:
    numbers: list[int] = []
    with intercepted(root, lambda number, _: numbers.append(number)):
        commit(root)
    return len(numbers)


def check_visible(root: Path) -> set[str]:
    """What a reader sees is whole; gives the ids of the shards."""
    folder = faults.folder(root)
    receipts = [*folder.receipts()]
    for receipt in receipts:
        assert folder.has(receipt.shard_id, BLOCK)
        assert folder.read(receipt).equals(table(int(receipt.shard_id, 16)))
    return {receipt.shard_id for receipt in receipts}


def check_resumed(root: Path) -> None:
    """The same work again gives what undisturbed work gives, and each shard once."""
    check_visible(root)
    settle(faults.folder(root))
    commit(root)
    assert check_visible(root) == {Item(number).id for number in range(SHARDS)}
    assert unnamed(faults.folder(root)) == []


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("code", ALL_ERRORS if LONG else ERRORS)
def test_each_call_fails(tmp_path: Path, code: int, *, lasting: bool) -> None:
    calls = count_calls(tmp_path / "counted")
    refused = 0
    for number in range(calls):
        root = tmp_path / str(number)
        with intercepted(root, failing(number, code, lasting=lasting)):
            try:
                commit(root)
            except StoreError:
                refused += 1
        check_resumed(root)
    assert refused > calls / 2


def test_each_call_is_the_last(tmp_path: Path) -> None:
    calls = count_calls(tmp_path / "counted")
    for number in range(calls):
        root = tmp_path / str(number)
        with intercepted(root, dying(number)), pytest.raises(Death):
            commit(root)
        check_resumed(root)


def lose_power(tmp_path: Path, *, keeps_names: bool, forgets: str = "") -> list[str]:
    """Lose the power before each call and after the last; give what was wrong afterwards."""
    wrong = []
    calls = count_calls(tmp_path / "counted")
    for number in range(calls + 1):
        root, left = tmp_path / f"{number}", tmp_path / f"{number}-left"
        root.mkdir()
        done: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            disk = ForgetfulDisk(patch, forgets=forgets)
            with intercepted(root, dying(number)):
                try:
                    for item in faults.items(SHARDS):
                        faults.commit(faults.folder(root), item.number)
                        done.append(item.id)
                except Death:
                    pass
            disk.lose_power(root, left, keeps_names=keeps_names)
            disk.close()
        try:
            assert check_visible(left) >= set(done), "a committed shard is lost"
            check_resumed(left)
        except Exception as error:
            wrong.append(f"before call {number}: {error}")
    return wrong


@pytest.mark.parametrize("keeps_names", [False, True])
def test_the_power_is_lost_before_each_call(tmp_path: Path, *, keeps_names: bool) -> None:
    assert lose_power(tmp_path, keeps_names=keeps_names) == []


@pytest.mark.parametrize(("forgets", "keeps_names"), [("files", True), ("folders", False)])
def test_a_missing_fsync_is_noticed(tmp_path: Path, forgets: str, *, keeps_names: bool) -> None:
    """The control: without the fsync of files, or of folders, committed shards are lost."""
    assert lose_power(tmp_path, keeps_names=keeps_names, forgets=forgets)


@pytest.mark.parametrize(
    "name", ["pipeline.storage.local_store.sync_folder", "pipeline.storage.parquet.sync_folder"]
)
def test_each_of_our_calls_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The control of the control: our own code without one of its calls."""
    monkeypatch.setattr(name, lambda path: None)
    assert lose_power(tmp_path, keeps_names=False)
