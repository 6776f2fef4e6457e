"""Run studies of a run on an executor."""

from collections.abc import Mapping
from typing import Any

from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from goldenseed.progress import duration, note
from goldenseed.steps.steps import Workers
from pipeline.errors import RunError
from pipeline.executors.base import make_executor
from pipeline.runs.run import Run

ENDED = {
    StudyState.FOUND: "done",
    StudyState.REFUSED: "refused",
    StudyState.FAILED: "failed",
}
"""Words of the progress line for the end of a study."""


def run_studies(
    run: Run, studies: Mapping[str, Mapping[str, Any]], workers: Workers
) -> list[StudyOutcome]:
    """Run studies of a run on an executor.

    Args:
        run: The run; its features must be measured.
        studies: Name of a study -> its settings.
        workers: Where to run them.

    Returns:
        One outcome for each study, in the order of `studies`.

    Raises:
        RunError: If the executor itself fails (a full disk, a lost machine).
    """
    executor = make_executor(workers.executor, workers.count)
    outcomes = []
    for outcome in executor.run(StudyStage(run.root, studies), list(map(StudyTask, studies))):
        if outcome.fatal:
            raise RunError(f"study: {outcome.error}")
        result = StudyOutcome.of(outcome)
        note(f"study {result.task_id}: {ENDED[result.state]} in {duration(result.seconds)}")
        outcomes.append(result)
    order = list(studies)
    return sorted(outcomes, key=lambda outcome: order.index(outcome.task_id))
