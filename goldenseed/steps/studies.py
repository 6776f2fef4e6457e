"""Run studies of a run on an executor."""

from collections.abc import Mapping
from typing import Any

from analysis.studies import load_study
from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from goldenseed.progress import duration, note
from goldenseed.steps.steps import Workers
from pipeline.errors import RunError
from pipeline.executors.base import make_executor
from pipeline.runs.run import Run

LONG = 60.0
"""Studies that take at least so many seconds are announced."""
ENDED = {
    StudyState.FOUND: "done",
    StudyState.REFUSED: "refused",
    StudyState.FAILED: "failed",
}
"""Words of the progress line for the end of a study."""


def run_studies(
    run: Run, studies: Mapping[str, Mapping[str, Any]], workers: Workers
) -> list[StudyOutcome]:
    """Run studies of a run on an executor, those that take long last.

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
    tasks = list(map(StudyTask, _cheap_first(run, studies)))
    for outcome in executor.run(StudyStage(run.folder, studies), tasks):
        if outcome.fatal:
            raise RunError(f"study: {outcome.error}")
        result = StudyOutcome.of(outcome)
        note(f"study {result.task_id}: {ENDED[result.state]} in {duration(result.seconds)}")
        outcomes.append(result)
    order = list(studies)
    return sorted(outcomes, key=lambda outcome: order.index(outcome.task_id))


def _cheap_first(run: Run, studies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Order studies by the time that they take, and say which take longer than a minute."""
    seconds = {name: load_study(name, each).expected_seconds(run) for name, each in studies.items()}
    long = {name: time for name, time in seconds.items() if time >= LONG}
    for name, time in long.items():
        note(
            f"study {name} takes about {duration(time)} on two cores"
            + ", and runs after the others, which take under a minute each" * (len(studies) > 1)
        )
    return sorted(seconds, key=seconds.__getitem__)
