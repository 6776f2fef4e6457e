"""The reference executor: does the tasks one after another in this process."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from pipeline.errors import ConfigError
from pipeline.executors.base import ATTEMPTS, Attempt, Ledger, attempt_setup, attempt_task
from pipeline.executors.overlap import AT_ONCE, begin_task, overlaps
from pipeline.stage import Outcome, Stage, Task

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


class LocalExecutor:
    """Runs a stage in this process, and leaves its number of threads as it is.

    Args:
        workers: 1, or None.

    Raises:
        ConfigError: If more than one worker is asked for.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers not in (None, 1):
            raise ConfigError(
                f"the local executor has one worker, and {workers} were asked for: "
                "use the ray executor, or one process per part (--part i/n)"
            )

    def run(self, stage: Stage[T], tasks: Iterable[T]) -> Iterator[Outcome]:
        """Yield one outcome per task, in the order of the tasks.

        A task that must be repeated is repeated at once. A fatal outcome is the last: the
        remaining tasks are not done.
        """
        ledger = Ledger(tasks)
        task = ledger.take()
        if task is None:
            return
        setup = _set_up(stage)
        if setup.outcome.error:
            yield replace(setup.outcome, task_id=task.id)
            return
        ledger.give_back(task)
        attempts = _overlapped(stage, ledger) if overlaps(stage) else _one_by_one(stage, ledger)
        for done, attempt in attempts:
            outcome = ledger.settle(done, _fatal_if_broken(attempt))
            if outcome is not None:
                yield outcome
                if outcome.fatal:
                    return


def _one_by_one(stage: Stage[T], ledger: Ledger[T]) -> Iterator[tuple[T, Attempt]]:
    while (task := ledger.take()) is not None:
        yield task, attempt_task(stage, task)


def _overlapped(stage: Stage[T], ledger: Ledger[T]) -> Iterator[tuple[T, Attempt]]:
    """Begin each task in this thread, while another thread finishes the task before it."""
    with ThreadPoolExecutor(1, "finish") as finisher:
        begun: deque[tuple[T, Future[Attempt]]] = deque()
        while True:
            task = ledger.take()
            if task is not None:
                begun.append((task, finisher.submit(begin_task(stage, task))))
            if not begun:
                return
            if len(begun) >= AT_ONCE or task is None:
                done, attempt = begun.popleft()
                yield done, attempt.result()


def _set_up(stage: Stage[T]) -> Attempt:
    for _ in range(ATTEMPTS):
        attempt = attempt_setup(stage)
        if attempt.trace:
            logger.debug("setup of %s failed:\n%s", stage.name, attempt.trace)
        if not attempt.again:
            break
    return attempt


def _fatal_if_broken(attempt: Attempt) -> Attempt:
    """Make the outcome of a broken process fatal, because no other process can go on."""
    if not attempt.broken:
        return attempt
    return replace(attempt, again=False, outcome=replace(attempt.outcome, fatal=True))
