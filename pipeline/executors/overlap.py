"""Begins a task while the one before it is being finished."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.executors.base import Attempt, guarded
from pipeline.stage import Outcome, Overlapping, Stage, Task

T = TypeVar("T", bound=Task)

AT_ONCE = 2
"""Tasks in one actor whose stage overlaps: one is begun, one is being finished."""


def overlaps(stage: Stage[T]) -> bool:
    """Whether a stage can begin a task before the last is finished, and has threads for it."""
    return stage.resources.beside > 0 and isinstance(stage, Overlapping)


def begin_task(stage: Stage[T], task: T) -> Callable[[], Attempt]:
    """Begin a task; the function that is returned finishes it and gives its attempt.

    Like `attempt_task`, neither raises more than what ends the process.
    """
    if not isinstance(stage, Overlapping):
        return lambda: guarded(lambda: stage.run(task), task.id)
    rest: list[Callable[[], Outcome]] = []

    def begin() -> Outcome:
        rest.append(stage.begin(task))
        return Outcome(task.id)

    begun = guarded(begin, task.id)
    if begun.outcome.error:
        return lambda: begun
    return lambda: guarded(rest.pop(), task.id)
