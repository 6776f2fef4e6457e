"""Run a stage whose tasks are files and not shards, and stop at its errors."""

from collections.abc import Sequence
from typing import Any

from goldenseed.progress import follow
from goldenseed.steps.steps import Workers
from pipeline.errors import RunError
from pipeline.executors.base import make_executor
from pipeline.stage import Stage


def run_stage(
    title: str, stage: Stage[Any], tasks: Sequence[Any], total: int, workers: Workers
) -> None:
    """Run a stage to its end.

    Args:
        title: Name of the stage in the progress lines.
        stage: The stage.
        tasks: The tasks of the stage.
        total: Images in all tasks.
        workers: Where to run it.

    Raises:
        RunError: If a task has no result. The results of the others are kept.
    """
    executor = make_executor(workers.executor, workers.count)
    outcomes = follow(executor.run(stage, tasks), what=title, total=total) if tasks else ()
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors:
        raise RunError(
            f"{title}: {len(errors)} of {len(tasks)} parts have no result: {errors[0]}. Finished "
            f"parts are kept: repeat the command to continue"
        )
