"""Lets several processes work on one run: each claims the shards that it is about to make.

    drivers/<id>.json       who works on the run; its time of change is renewed every few seconds
    drivers/claims/<task>   the id of the process that makes this shard

Claims save work and decide nothing: if two processes make one shard after all, its receipt lets one
of them win, as always. So a lost claim costs time and no data. The claims of a process that ended
without removing them, as after a kill, do not count: on the same machine its process id and start
time show it, and elsewhere that it has been silent for two minutes.
"""

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pipeline.errors import StoreError
from pipeline.runs.layout import CLAIMS_FOLDER, DRIVERS_FOLDER
from pipeline.stage import Task
from pipeline.storage.field_types import refuse_other_types
from pipeline.storage.store import Store

HEARTBEAT_S = 10.0
"""Seconds between two signs of life."""
SILENT_S = 120.0
"""Seconds without a sign of life after which a process on another machine counts as ended."""
POLL_S = 1.0
"""Seconds between two looks at the claims of others."""

T = TypeVar("T", bound=Task)
_ID = re.compile("[0-9a-f]{8}")


@dataclass(frozen=True)
class Driver:
    """A process that works on a run.

    Attributes:
        id: Its name in the run folder, 8 hex digits.
        host: Name of its machine.
        system: What a process id is unique in: the machine since its last start, and on Linux the
            namespace of a container. Empty where this is unknown.
        pid: Its process id.
        began: When the process began, in the system's own unit; empty where this is unknown.
        since: When it began to work on the run (UTC).
        recipe: Name of its recipe.
    """

    id: str
    host: str
    system: str
    pid: int
    began: str
    since: str
    recipe: str

    @classmethod
    def this(cls, recipe: str) -> Self:
        """Describe this process."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        pid = os.getpid()
        return cls(
            secrets.token_hex(4), socket.gethostname(), _system(), pid, _began(pid), since, recipe
        )

    def __str__(self) -> str:
        """Describe it in words."""
        return f"process {self.pid} on {self.host} (recipe {self.recipe}, since {self.since} UTC)"

    @property
    def key(self) -> str:
        """Key of its file."""
        return f"{DRIVERS_FOLDER}/{self.id}.json"


class Claims:
    """The claims of this process on the shards of a run; a context manager.

    Args:
        store: The run folder.
        step: Name of the step; each step has claims of its own.
        recipe: Name of the recipe, to tell others.
        tell: Takes a sentence about each other process, once.

    Attributes:
        elsewhere: Ids of the tasks that were left to other processes.
    """

    def __init__(
        self, store: Store, step: str, *, recipe: str, tell: Callable[[str], None]
    ) -> None:
        self._store, self._step, self._tell = store, step, tell
        self._driver = Driver.this(recipe)
        self._claimed: set[str] = set()
        self._told: set[str] = set()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self.elsewhere: list[str] = []

    def __enter__(self) -> Self:
        """Say that this process works on the run, and tell the user who else does."""
        self._store.replace(self._driver.key, json.dumps(asdict(self._driver)).encode())
        self._heart.start()
        for driver in self.others():
            self._tell_of(driver)
        for key in [*self._store.list(CLAIMS_FOLDER, "")]:
            if self._owner(key) is None:
                self._store.remove(key)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the claims, whatever ended the block."""
        self._ended.set()
        self._heart.join()
        with suppress(OSError, StoreError):  # others see that this process has ended
            for task_id in [*self._claimed]:
                self.release(task_id)
            self._store.remove(self._driver.key)

    def unclaimed(self, tasks: Iterable[T]) -> Iterator[T]:
        """Yield the tasks that no other process works on, and claim each of them."""
        for task in tasks:
            if self._claim(task.id):
                yield task
            else:
                self.elsewhere.append(task.id)

    def release(self, task_id: str) -> None:
        """Give up a claim, when the task is done or has failed."""
        if task_id in self._claimed:
            self._claimed.discard(task_id)
            self._store.remove(self._key(task_id))

    def is_elsewhere(self, task_id: str) -> bool:
        """Whether another process that is at work has claimed this task."""
        owner = self._owner(self._key(task_id))
        return owner is not None and owner.id != self._driver.id

    def wait(self) -> None:
        """Wait until the other processes have finished the tasks of `elsewhere`, or have ended."""
        for task_id in self.elsewhere:
            while self.is_elsewhere(task_id):
                time.sleep(POLL_S)
        self.elsewhere.clear()

    def _key(self, task_id: str) -> str:
        return f"{CLAIMS_FOLDER}/{self._step}-{task_id}"

    def _claim(self, task_id: str) -> bool:
        key, own_id = self._key(task_id), self._driver.id.encode()
        if not self._store.hint(key, own_id):
            owner = self._owner(key)
            if owner is not None and owner.id != self._driver.id:
                self._tell_of(owner)
                return False
            self._store.remove(key)  # its process has ended
            if not self._store.hint(key, own_id):
                return False
        self._claimed.add(task_id)
        return True

    def _owner(self, key: str) -> Driver | None:
        """The process at work that has made a claim; None if there is none."""
        with suppress(FileNotFoundError, UnicodeDecodeError):
            driver = _read(self._store, self._store.read(key).decode())
            if driver is not None and self._works(driver):
                return driver
        return None

    def others(self) -> Iterator[Driver]:
        """Find the other processes that work on the run, and remove what ended ones have left."""
        for key in [*self._store.list(DRIVERS_FOLDER, ".json")]:
            driver = _read(self._store, Path(key).stem)
            if driver is None or driver.id == self._driver.id:
                continue
            if self._works(driver):
                yield driver
            else:
                self._store.remove(driver.key)

    def _works(self, driver: Driver) -> bool:
        """Whether a process is at work still."""
        if driver.system and driver.system == self._driver.system:
            return _began(driver.pid) == driver.began
        try:
            self._store.touch(self._driver.key)  # the store's clock may differ from this machine's
            own, other = map(self._store.entry, (self._driver.key, driver.key))
        except FileNotFoundError:
            return False
        return own.changed_ns - other.changed_ns < SILENT_S * 1e9

    def _tell_of(self, driver: Driver) -> None:
        if driver.id in self._told:
            return
        self._told.add(driver.id)
        self._tell(
            f"{driver} works on this run, too. Each takes shards that the other has not begun, and "
            f"waits at the end for those that the other has"
        )

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with suppress(OSError, StoreError):
                self._store.touch(self._driver.key)


def _read(store: Store, driver_id: str) -> Driver | None:
    """Read who a driver is; None if its file is gone or damaged, so that it claims nothing."""
    if not _ID.fullmatch(driver_id):
        return None
    try:
        driver = Driver(**json.loads(store.read(f"{DRIVERS_FOLDER}/{driver_id}.json")))
        refuse_other_types(driver)
    except (FileNotFoundError, TypeError, ValueError, RecursionError):
        return None
    return driver if driver.id == driver_id else None


def _system() -> str:
    """What a process id is unique in; empty where this is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine started; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
