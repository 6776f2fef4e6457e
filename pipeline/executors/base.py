"""What every executor has in common: one attempt at a task, and the book of what is to do."""

import itertools
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, cast

from pipeline.errors import GoldenseedError, StoreError
from pipeline.executors import EXECUTORS
from pipeline.registry import load
from pipeline.stage import Executor, Outcome, Stage, Task

ATTEMPTS = 3
"""How often a setup or a task that fails with an ordinary exception is tried."""

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a setup or a task came to; travels from the actor to the driver.

    Attributes:
        outcome: The outcome, if this attempt is the last one.
        again: The error may be gone next time: try again.
        broken: The process itself is spoilt (a CUDA error stays): try again in a new one.
        trace: The traceback, for the debug log.
    """

    outcome: Outcome
    again: bool = False
    broken: bool = False
    trace: str = ""


def attempt_setup(stage: Stage[T]) -> Attempt:
    """Set the stage up and say how it went; raises nothing but what ends the process.

    Every error is fatal: what meets one actor's setup meets all of them. One that is not a
    GoldenseedError is worth another try.
    """
    attempt = _guarded(lambda: _set_up(stage), "")
    if not attempt.outcome.error:
        return attempt
    return replace(attempt, outcome=replace(attempt.outcome, fatal=True))


def _set_up(stage: Stage[T]) -> Outcome:
    stage.setup()
    return Outcome("")


def attempt_task(stage: Stage[T], task: T) -> Attempt:
    """Do one task and say how it went; raises nothing but what ends the process.

    A StoreError (full disk, no permission) is fatal, because it will meet every task. Any
    other GoldenseedError concerns this task alone, and trying again would not help.
    """
    return _guarded(lambda: stage.run(task), task.id)


def _guarded(work: Callable[[], Outcome], task_id: str) -> Attempt:
    start = time.perf_counter()
    try:
        return Attempt(work())
    except GoldenseedError as error:
        found: Exception = error
        again, message = False, str(error)
    except Exception as error:
        found, again, message = error, True, _one_line(error)
    outcome = Outcome(
        task_id,
        seconds=time.perf_counter() - start,
        error=message,
        fatal=isinstance(found, StoreError),
    )
    trace = "".join(traceback.format_exception(found))
    return Attempt(outcome, again=again, broken="CUDA error" in message, trace=trace)


def _one_line(error: Exception) -> str:
    """Type and message, as the last line of a traceback has them."""
    return "".join(traceback.format_exception_only(error)).strip()


class Ledger(Generic[T]):
    """Which task is next, and how often each unfinished one was tried.

    Holds only tasks that were taken and came back, so that it does not grow with the grid.

    Args:
        tasks: The tasks; drawn one at a time, never all at once.
    """

    def __init__(self, tasks: Iterable[T]) -> None:
        self._fresh: Iterator[T] = iter(tasks)
        self._returned: deque[T] = deque()
        self._tried: dict[str, int] = {}

    def take(self) -> T | None:
        """The next task, or None if there is none now: one in work may still come back."""
        return self._returned.popleft() if self._returned else next(self._fresh, None)

    def peek(self) -> T | None:
        """The next task, which stays the next one; None if there is none now."""
        if not self._returned:
            self._returned.extend(itertools.islice(self._fresh, 1))
        return self._returned[0] if self._returned else None

    def give_back(self, task: T) -> None:
        """Return a task that was never begun."""
        self._returned.append(task)

    def settle(self, task: T, attempt: Attempt) -> Outcome | None:
        """Enter an attempt.

        Returns:
            The task's outcome, or None if it is to be tried again.
        """
        if attempt.trace:
            logger.debug("task %s failed:\n%s", task.id, attempt.trace)
        tried = self._tried.pop(task.id, 0) + 1
        if attempt.again and tried < ATTEMPTS:
            self._tried[task.id] = tried
            self._returned.append(task)
            return None
        if not attempt.again:
            return attempt.outcome
        return replace(attempt.outcome, error=f"{attempt.outcome.error} ({tried} attempts)")


def make_executor(name: str, workers: int | None = None) -> Executor:
    """The executor of this name.

    Args:
        name: A name in `EXECUTORS`, or the dotted path of the user's own.
        workers: Actors at work at once; None leaves it to the executor.

    Raises:
        RegistryError: If there is no such executor; names the nearest.
        ConfigError: If the executor cannot have that many workers.

    Example:
        >>> make_executor("local").run  # doctest: +ELLIPSIS
        <bound method LocalExecutor.run of ...>
    """
    return cast(Executor, load(EXECUTORS, name, "executor")(workers))
