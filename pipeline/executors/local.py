"""The reference executor: one task after the other, in this process."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from pipeline.errors import ConfigError
from pipeline.executors.base import ATTEMPTS, Attempt, Ledger, attempt_setup, attempt_task
from pipeline.stage import Outcome, Stage, Task

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


class LocalExecutor:
    """Runs a stage in this process, with the threads that the process has.

    Args:
        workers: 1, or None.

    Raises:
        ConfigError: If more workers are asked for.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers not in (None, 1):
            raise ConfigError(
                f"the local executor has one worker, {workers} were asked for: "
                "use the ray executor, or one process per part (--part i/n)"
            )

    def run(self, stage: Stage[T], tasks: Iterable[T]) -> Iterator[Outcome]:
        """Yield one outcome per task, in their order but for those tried again.

        A fatal outcome is the last one: the tasks after it have none.
        """
        ledger = Ledger(tasks)
        task = ledger.take()
        if task is None:
            return
        ready = _set_up(stage)
        if ready.outcome.error:
            yield replace(ready.outcome, task_id=task.id)
            return
        while task is not None:
            outcome = ledger.settle(task, _spoilt_is_fatal(attempt_task(stage, task)))
            if outcome is not None:
                yield outcome
                if outcome.fatal:
                    return
            task = ledger.take()


def _set_up(stage: Stage[T]) -> Attempt:
    for _ in range(ATTEMPTS):
        attempt = attempt_setup(stage)
        if attempt.trace:
            logger.debug("setup of %s failed:\n%s", stage.name, attempt.trace)
        if not attempt.again:
            break
    return attempt


def _spoilt_is_fatal(attempt: Attempt) -> Attempt:
    """There is no second process here that could do better."""
    if not attempt.broken:
        return attempt
    return replace(attempt, again=False, outcome=replace(attempt.outcome, fatal=True))
