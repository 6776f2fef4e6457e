"""Shared parts of executors: one attempt at a task, and the ledger of the tasks to do."""

import itertools
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar, cast

from pipeline.errors import GoldenseedError, StoreError
from pipeline.executors import EXECUTORS
from pipeline.redact import redact
from pipeline.registry import load
from pipeline.stage import Executor, Outcome, Stage, Task

ATTEMPTS = 3
"""Maximum number of attempts at a setup or task that fails with an ordinary exception."""

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


class Machine(NamedTuple):
    """A machine of a cluster.

    Attributes:
        name: Its name on the network, for people.
        id: What the cluster calls it; empty where there is no cluster.
    """

    name: str
    id: str = ""


@dataclass(frozen=True)
class Attempt:
    """The result of one attempt at a setup or a task; it travels from the actor to the driver.

    Attributes:
        outcome: The outcome, if this attempt is the last one.
        again: Whether another try may succeed.
        broken: Whether the process is unusable (a CUDA error stays) and a new one is needed.
        trace: The traceback, for the debug log.
        machine: Where it ran; None for the process of the driver.
    """

    outcome: Outcome
    again: bool = False
    broken: bool = False
    trace: str = ""
    machine: Machine | None = None


def attempt_setup(stage: Stage[T]) -> Attempt:
    """Set up the stage and report the result; raises only what ends the process.

    Each error is fatal for this process. An error that is not a GoldenseedError is worth another
    try.
    """
    attempt = guarded(lambda: _set_up(stage), "")
    if not attempt.outcome.error:
        return attempt
    return replace(attempt, outcome=replace(attempt.outcome, fatal=True))


def _set_up(stage: Stage[T]) -> Outcome:
    stage.setup()
    return Outcome("")


def attempt_task(stage: Stage[T], task: T) -> Attempt:
    """Do one task and report the result; raises only what ends the process.

    A StoreError (full disk, no permission) is fatal, because it concerns all tasks alike. Any
    other GoldenseedError concerns this task alone, and another try would not help.
    """
    return guarded(lambda: stage.run(task), task.id)


def guarded(work: Callable[[], Outcome], task_id: str) -> Attempt:
    """Do a piece of work for a task, and report its outcome or its error."""
    start = time.perf_counter()
    try:
        return Attempt(work())
    except GoldenseedError as error:
        raised: Exception = error
        again, message = False, str(error)
    except Exception as error:
        raised, again, message = error, True, _one_line(error)
    outcome = Outcome(
        task_id,
        seconds=time.perf_counter() - start,
        error=redact(message),
        fatal=isinstance(raised, StoreError),
    )
    trace = redact("".join(traceback.format_exception(raised)))
    return Attempt(outcome, again=again, broken="CUDA error" in message, trace=trace)


def _one_line(error: Exception) -> str:
    """Type and message, as in the last line of a traceback."""
    return "".join(traceback.format_exception_only(error)).strip()


class Ledger(Generic[T]):
    """Hands out the tasks, and counts the attempts at each unfinished task.

    The ledger holds only tasks that were taken and came back, so it does not grow with the grid.

    Args:
        tasks: The tasks; read one at a time, never all at once.
    """

    def __init__(self, tasks: Iterable[T]) -> None:
        self._fresh: Iterator[T] = iter(tasks)
        self._returned: deque[T] = deque()
        self._tries: dict[str, int] = {}

    def take(self) -> T | None:
        """Take the next task; None if there is none now, though a task in work may come back."""
        return self._returned.popleft() if self._returned else next(self._fresh, None)

    def peek(self) -> T | None:
        """Give the next task without taking it; None if there is none now."""
        return self._returned[0] if self.waiting(1) else None

    def waiting(self, most: int) -> int:
        """Count the tasks that nobody has taken, up to `most`."""
        missing = max(0, most - len(self._returned))
        self._returned.extend(itertools.islice(self._fresh, missing))
        return min(most, len(self._returned))

    def give_back(self, task: T) -> None:
        """Return a task that was never started."""
        self._returned.append(task)

    def settle(self, task: T, attempt: Attempt) -> Outcome | None:
        """Record an attempt at a task.

        Returns:
            The task's outcome, or None if the task must be tried again.
        """
        if attempt.trace:
            logger.debug("task %s failed:\n%s", task.id, attempt.trace)
        tries = self._tries.pop(task.id, 0) + 1
        if attempt.again and tries < ATTEMPTS:
            self._tries[task.id] = tries
            self._returned.append(task)
            return None
        if not attempt.again:
            return attempt.outcome
        return replace(attempt.outcome, error=f"{attempt.outcome.error} ({tries} attempts)")


def make_executor(name: str, workers: int | None = None) -> Executor:
    """Make the executor of this name.

    Args:
        name: A name in `EXECUTORS`, or the dotted path of a class of the user's own.
        workers: Number of actors; None lets the executor decide.

    Raises:
        RegistryError: If there is no such executor; the message names the nearest.
        ConfigError: If the executor cannot have that many workers.

    Example:
        >>> make_executor("local").run  # doctest: +ELLIPSIS
        <bound method LocalExecutor.run of ...>
    """
    return cast(Executor, load(EXECUTORS, name, "executor")(workers))
