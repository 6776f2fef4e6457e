"""Small shards, and stages that fail on purpose when they commit them."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import ray

from pipeline.errors import ModelError, PromptError, StoreError
from pipeline.stage import Outcome, Resources
from pipeline.storage.local_store import LocalStore
from pipeline.storage.receipts import Receipt
from pipeline.storage.shards import ShardFolder

BLOCK = "0a0b0c0d"
CONTENT = ("name", "value")


@dataclass(frozen=True)
class Item:
    """A task that consists of a number."""

    number: int

    @property
    def id(self) -> str:
        return f"{self.number:016x}"


def items(count: int) -> list[Item]:
    return [Item(number) for number in range(count)]


def folder(root: Path) -> ShardFolder:
    return ShardFolder(LocalStore(root), "things", CONTENT)


def table(number: int, rows: int = 40) -> pa.Table:
    values = [number * 1000 + row for row in range(rows)]
    return pa.table({"name": [f"row {value}" for value in values], "value": values})


def contents(root: Path) -> dict[str, str]:
    """Shard -> content hash, from the receipts."""
    return {receipt.shard_id: receipt.content_sha256 for receipt in folder(root).receipts()}


def first_time(root: Path, name: str) -> bool:
    """Whether this is the first call with this name in all processes."""
    (root / "marks").mkdir(parents=True, exist_ok=True)
    try:
        (root / "marks" / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass
class Stub:
    """Commits one small shard per task.

    Subclasses fail in `before` or in `after` the commit.
    """

    root: Path
    name: str = "stub"
    resources: Resources = field(default_factory=Resources)

    def setup(self) -> None:
        self.ready = True

    def run(self, task: Item) -> Outcome:
        assert self.ready, "run before setup"
        start = time.perf_counter()
        self.before(task)
        rows = self.rows(task)
        folder(self.root).commit(task.id, BLOCK, rows, run_id="stub", provenance={})
        self.after(task)
        return Outcome(task.id, cells=1, seconds=time.perf_counter() - start)

    def rows(self, task: Item) -> pa.Table:
        """The content, which depends only on the task."""
        return table(task.number)

    def before(self, task: Item) -> None:
        """Fault before the commit."""

    def after(self, task: Item) -> None:
        """Fault after the commit."""


class DependsOnItsProcess(Stub):
    """Makes content that also depends on the process: its id and its number of shards."""

    shards = 0

    def rows(self, task: Item) -> pa.Table:
        type(self).shards += 1
        return table(task.number + 1000 * self.shards + 1_000_000 * os.getpid())


def commit_all(root: Path, count: int, kind: type[Stub] = Stub) -> None:
    """Commit every task's shard without any executor."""
    stage = kind(root)
    stage.setup()
    for item in items(count):
        stage.run(item)


class WaitsForTheOther(Stub):
    """Waits until a second process has started; both must have the number of threads asked for."""

    def before(self, task: Item) -> None:
        threads = [os.environ.get(f"{name}_NUM_THREADS") for name in ("OMP", "MKL")]
        assert threads == [str(self.resources.threads)] * 2, threads
        first_time(self.root, f"process-{os.getpid()}")
        deadline = time.monotonic() + 120
        while len(list((self.root / "marks").iterdir())) < 2:
            assert time.monotonic() < deadline, "there is no second process"
            time.sleep(0.01)


class Troubled(Stub):
    """Number 1 is refused, number 5 never works, and every third call fails."""

    calls = 0

    def before(self, task: Item) -> None:
        if task.number == 1:
            assert first_time(self.root, task.id), "a refused task was tried again"
            raise PromptError("number 1 is refused")
        if task.number == 5:
            raise RuntimeError("number 5 never works")
        self.calls += 1
        if self.calls % 3 == 0:
            raise RuntimeError("third call\nwith a second line")


class DiskFills(Stub):
    def before(self, task: Item) -> None:
        if task.number == 2:
            raise StoreError("the disk is full")


class KillsItself(Stub):
    """Kills its process: once before a commit, once after one, and always at number 6."""

    def before(self, task: Item) -> None:
        if task.number == 6 or (task.number == 1 and first_time(self.root, task.id)):
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, task: Item) -> None:
        if task.number == 3 and first_time(self.root, task.id):
            os.kill(os.getpid(), signal.SIGKILL)


class KillsItselfOnce(Stub):
    """Kills its process once, after a commit."""

    def after(self, task: Item) -> None:
        if first_time(self.root, "killed"):
            os.kill(os.getpid(), signal.SIGKILL)


class SpoilsItsProcess(Stub):
    """Fails like CUDA: once an error has happened, every call of the process fails."""

    spoilt = False

    def before(self, task: Item) -> None:
        if task.number == 1 and first_time(self.root, task.id):
            self.spoilt = True
        if self.spoilt:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")


class SetupRefuses(Stub):
    def setup(self) -> None:
        first_time(self.root, f"setup-{time.monotonic_ns()}")
        raise ModelError("the weights are not here")


class SetupFailsOnce(Stub):
    def setup(self) -> None:
        if first_time(self.root, "setup"):
            raise OSError("not yet")
        self.ready = True


def commit(folder: ShardFolder, number: int = 0, **options: str) -> Receipt:
    receipt, _ = folder.commit(
        Item(number).id, BLOCK, table(number), run_id="run", provenance={"host": "a"}, **options
    )
    return receipt


def data_file(folder: ShardFolder, receipt: Receipt) -> Path:
    return folder.data_path(receipt)


def names(folder: ShardFolder) -> set[str]:
    """Names of all data files, also of attempts, and of hidden files."""
    roots = [folder.store.path(key) for key in (folder.prefix, f"attempts/{folder.prefix}")]
    return {path.name for root in roots for path in root.rglob("*") if path.is_file()}


class TellsItsMachine(Stub):
    """Notes for each task the machine on which it runs, and takes a moment.

    On a machine with LACKS_A_MOUNT in its environment, the setup refuses.
    """

    def setup(self) -> None:
        if "LACKS_A_MOUNT" in os.environ:
            first_time(self.root, "refused")
            raise StoreError("the run folder is not there")
        super().setup()

    def before(self, task: Item) -> None:
        folder = self.root / "machines"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{task.id}-{ray.get_runtime_context().get_node_id()}").touch()
        time.sleep(0.5)


def machines_of(root: Path) -> set[str]:
    """The machines on which tasks have begun."""
    return {path.name.rpartition("-")[2] for path in (root / "machines").glob("*-*")}


class FinishesBeside(Stub):
    """Commits each task while the next one is begun, and never begins two at once.

    Each task but the last waits until the next one has begun before it is committed.
    """

    last: int = 5

    def setup(self) -> None:
        super().setup()
        self.begun = {number: threading.Event() for number in range(self.last + 1)}
        self.device = threading.Lock()

    def begin(self, task: Item) -> Callable[[], Outcome]:
        assert self.device.acquire(blocking=False), "two tasks were begun at once"
        time.sleep(0.01)
        self.begun[task.number].set()
        self.device.release()
        return lambda: self._finish(task)

    def _finish(self, task: Item) -> Outcome:
        following = self.begun.get(task.number + 1)
        assert following is None or following.wait(60), "the next task was not begun meanwhile"
        return super().run(task)


class FinishFailsOnce(FinishesBeside):
    """Fails once when it commits number 2, and is refused when it begins number 4."""

    def begin(self, task: Item) -> Callable[[], Outcome]:
        if task.number == 4:
            self.begun[4].set()
            raise PromptError("number 4 is refused")
        return super().begin(task)

    def before(self, task: Item) -> None:
        if task.number == 2 and first_time(self.root, task.id):
            raise RuntimeError("the disk was slow")
