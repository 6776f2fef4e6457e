"""`goldenseed study`: answer one question about a run, or all that its data can answer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from goldenseed.commands import exit_codes
from goldenseed.commands.options import AllowCode, AsJson, Executor, RunPath, WorkerCount
from pipeline.errors import ConfigError, RunError

if TYPE_CHECKING:
    from analysis.studies.stage import StudyOutcome
    from pipeline.runs.run import Run

ALL = "all"


def complete_study(incomplete: str) -> list[str]:
    """List the studies whose names begin with what was typed."""
    from analysis.studies import STUDIES

    return [name for name in (*STUDIES, ALL) if name.startswith(incomplete)]


class StudyCommand(TyperCommand):
    """The command `study`, whose help ends with the names of all studies."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the names."""
        with formatter.section("Studies"):
            formatter.write_text(", ".join(complete_study("")))


Name = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="Name of a study, or `all` for every study that has enough data in this run.",
        autocompletion=complete_study,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the study, with the value in YAML; may be repeated.",
    ),
]


def study(
    name: Name,
    path: RunPath,
    *,
    settings: Settings = None,
    executor: Executor = "local",
    workers: WorkerCount = None,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """Answer one question about a run, with intervals, a null and figures. Draws no images.

    Results are written to RUN/studies/STUDY: a summary, tables and figures. A study that needs
    further runs says so and writes their recipes.
    """
    from goldenseed.steps import begin
    from goldenseed.steps.steps import Workers
    from goldenseed.steps.studies import run_studies

    studies = _studies(name, settings or [])
    broken = False
    for run in begin.open_runs(path, allow_code=allow_code):
        outcomes = run_studies(run, studies, Workers(executor, workers))
        broken = _report(run, outcomes, as_json=as_json) or broken
    if broken:
        raise typer.Exit(exit_codes.DEFECT)


def _studies(name: str, texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The studies to run: name -> settings."""
    from analysis.studies import STUDIES

    if name != ALL:
        return {name: read_settings(texts)}
    if texts:
        raise ConfigError("--set is for one study; `all` runs each study with its defaults")
    return {study: {} for study in STUDIES}


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read "name=value", with the value in YAML.

    Raises:
        ConfigError: If a text is not of this form.

    Example:
        >>> read_settings(["share=0.1", "metrics=[fid, kid]"])
        {'share': 0.1, 'metrics': ['fid', 'kid']}
    """
    import yaml

    from pipeline.storage.plain_yaml import load_plain

    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise ConfigError(f"--set {text!r}: wanted NAME=VALUE, for example --set share=0.1")
        try:
            settings[name.strip()] = load_plain(value)
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"--set {text[:200]!r}: the value is not YAML: {error}") from error
    return settings


def _report(run: "Run", outcomes: "Sequence[StudyOutcome]", *, as_json: bool) -> bool:
    """Print what the studies of a run found; return whether a study failed because of a defect.

    Raises:
        RunError: If every study refused the run.
    """
    from analysis.studies.stage import StudyState
    from goldenseed.progress import note

    reasons: dict[StudyState, dict[str, str]] = {state: {} for state in StudyState}
    for outcome in outcomes:
        reasons[outcome.state][outcome.task_id] = outcome.reason
    failed, refused = reasons[StudyState.FAILED], reasons[StudyState.REFUSED]
    for name, reason in failed.items():
        note(f"study {name} failed: {reason}")
    if len(refused) == len(outcomes):
        raise RunError("; ".join(f"study {name}: {reason}" for name, reason in refused.items()))
    _print(run, list(reasons[StudyState.FOUND]), refused, as_json=as_json)
    return bool(failed)


def _print(run: "Run", done: Sequence[str], refused: Mapping[str, str], *, as_json: bool) -> None:
    from analysis.studies import load_study
    from analysis.studies.results import read_summary
    from goldenseed.output import tables
    from pipeline.runs.layout import STUDIES_FOLDER

    summaries = [read_summary(run, load_study(name).name) for name in done]
    if as_json:
        tables.print_json({"run": str(run.root), "studies": summaries, "refused": refused})
        return
    for summary in summaries:
        folder = tables.short_path(run.folder / STUDIES_FOLDER / summary["study"])
        tables.line(f"{summary['study']}: {summary['outcome']}")
        tables.line(f"  {folder}/: {', '.join(summary['files'])}")
    for name, reason in refused.items():
        tables.line(f"{name}: refused: {reason}")
