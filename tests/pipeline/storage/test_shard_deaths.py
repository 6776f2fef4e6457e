"""Shards after any order of commits, deaths, damage and repair."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.errors import ShardError
from pipeline.failpoints import FAILPOINTS
from tests.pipeline import faults
from tests.pipeline.faults import BLOCK, Item, commit, data_file, table


class Death(BaseException):
    """Ends the process without any clean-up, as a failpoint does."""


class ShardMachine(RuleBasedStateMachine):
    """Applies commits, deaths, damage and repair in any order and checks the shards after each."""

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
            assert receipt == before, "a commit replaced a complete shard"
        if before != receipt:
            self.damaged.discard(number)
        self.committed.add(number)

    @rule(number=st.integers(0, 2), name=st.sampled_from(FAILPOINTS))
    def die(self, number: int, name: str) -> None:
        had = self.folder.has(Item(number).id, BLOCK)
        code = _in_a_dying_process(lambda: commit(self.folder, number), name)
        # A shard that has a receipt gets no second one.
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

    @rule(number=st.integers(0, 2), position=st.integers(0, 10_000))
    def flip(self, number: int, position: int) -> None:
        receipt = self.folder.receipt(Item(number).id, BLOCK)
        if receipt is None or number not in self.committed or number in self.damaged:
            return
        path = data_file(self.folder, receipt)
        raw = bytearray(path.read_bytes())
        raw[position % len(raw)] ^= 16
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
        complete = {n for n in range(3) if self.folder.has(Item(n).id, BLOCK)}
        assert complete == self.committed

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
    """Run `work` and disable all clean-up from the failpoint on, as if the process had ended."""
    passed = False

    def die(failpoint: str) -> None:
        nonlocal passed
        if failpoint == name:
            passed = True
            raise Death

    with pytest.MonkeyPatch.context() as patch:
        for module in ("parquet", "shards", "local_store"):
            patch.setattr(f"pipeline.storage.{module}.failpoint", die)
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
