"""`goldenseed study`: what is found in a run, by one command a finding."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from analysis.studies import STUDIES, load_study
from analysis.studies.results import outcomes, read_summary
from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from goldenseed.commands.options import AsJson, Executor, RunPath, WorkerCount
from goldenseed.output import tables
from goldenseed.progress import duration, note
from goldenseed.steps import begin, steps
from pipeline.errors import ConfigError, RunError
from pipeline.executors.base import make_executor
from pipeline.runs.layout import STUDIES_FOLDER
from pipeline.runs.run import Run

ALL = "all"
EXIT_DEFECT = 1
ENDED = {
    StudyState.FOUND: "done",
    StudyState.REFUSED: "refused",
    StudyState.FAILED: "broke off",
}

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}; or all.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="name=value: a setting of the study; repeatable.")
]


def study(
    name: Name,
    run: RunPath,
    *,
    settings: Settings = None,
    executor: Executor = "local",
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Find one thing in a run, with intervals and nulls; `all` finds everything it allows."""
    runs = begin.open_runs(run)
    place = steps.Workers(executor, workers)
    if name == ALL and settings:
        raise ConfigError("--set belongs to one study; `all` runs each with its defaults")
    chosen = {key: {} for key in STUDIES} if name == ALL else {name: read_settings(settings or [])}
    defects = 0
    for one in runs:
        results = run_studies(one, chosen, place)
        answered = set(_in_state(results, StudyState.FOUND))
        refused = _in_state(results, StudyState.REFUSED)
        failed = _in_state(results, StudyState.FAILED)
        for key, error in failed.items():
            note(f"study {key} broke off: {error}")
        defects += len(failed)
        if len(refused) == len(chosen):
            raise RunError("; ".join(f"study {key}: {why}" for key, why in refused.items()))
        _show(one, [key for key in chosen if key in answered], refused, as_json=as_json)
    if defects:
        raise typer.Exit(EXIT_DEFECT)


def _in_state(results: Sequence[StudyOutcome], state: StudyState) -> dict[str, str]:
    """The studies that ended so, each with the reason why it has no findings."""
    return {result.task_id: result.reason for result in results if result.state == state}


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read "name=value" with the value as YAML has it.

    Raises:
        ConfigError: If a text is not of this form.

    Example:
        >>> read_settings(["share=0.1", "metrics=[fid, kid]"])
        {'share': 0.1, 'metrics': ['fid', 'kid']}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise ConfigError(f"--set {text!r} is not of the form name=value")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {text!r}: the value is not YAML: {error}") from error
    return found


def run_studies(
    run: Run, studies: Mapping[str, Mapping[str, Any]], workers: steps.Workers
) -> list[StudyOutcome]:
    """Run studies of a run on an executor.

    Args:
        run: The run; features must be measured.
        studies: Name -> settings.
        workers: Where.

    Returns:
        One outcome per study.

    Raises:
        RunError: If the executor itself fails (a full disk, a lost machine).
    """
    stage = StudyStage(run.root, studies)
    executor = make_executor(workers.executor, workers.count)
    results = []
    for outcome in executor.run(stage, [StudyTask(name) for name in studies]):
        if outcome.fatal:
            raise RunError(f"study: {outcome.error}")
        result = StudyOutcome.of(outcome)
        note(f"study {result.task_id}: {ENDED[result.state]} in {duration(result.seconds)}")
        results.append(result)
    return results


def _show(run: Run, names: Sequence[str], refused: Mapping[str, str], *, as_json: bool) -> None:
    keys = [load_study(name).name for name in names]
    if as_json:
        done = [read_summary(run, key) for key in keys]
        tables.line(tables.to_json({"run": str(run.root), "studies": done, "refused": refused}))
        return
    said = outcomes(run)
    for key in keys:
        tables.line(f"{key}: {said[key]}")
        folder = tables.shown(run.root / STUDIES_FOLDER / key)
        tables.line(f"  {folder}/: {', '.join(_files(run, key))}")
    for key, why in refused.items():
        tables.line(f"{key}: refused: {why}")


def _files(run: Run, key: str) -> list[str]:
    return [Path(name).as_posix() for name in read_summary(run, key)["files"]]
