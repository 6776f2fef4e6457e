"""Run studies on an executor: the stage, its tasks, and how a study can end."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any

from analysis.studies import load_study
from analysis.studies.base import NotDrawnError
from analysis.studies.results import write_findings, write_wanted
from pipeline.cards.card import IMPORTED
from pipeline.errors import GoldenseedError, StoreError
from pipeline.runs.run import Run
from pipeline.stage import Outcome, Resources, combine_resources


@dataclass(frozen=True)
class StudyTask:
    """One study of a run.

    Attributes:
        id: The study's name in the registry, or its dotted path.
    """

    id: str


class StudyState(StrEnum):
    """How a study of a run ended."""

    FOUND = "found"
    """It answered its question; its results are in the run folder."""
    REFUSED = "refused"
    """The run does not allow an answer; results of an earlier study are left as they were."""
    FAILED = "failed"
    """It ended with an error, or never started."""


IMPORTED_ADVICE = (
    ". The images of this run were imported, so goldenseed draws no more of them: give `goldenseed "
    "import` again with more images, or with other `--features` and `--metrics`, then measure"
)
"""What helps where a run is not drawn here."""


@dataclass(frozen=True)
class StudyOutcome(Outcome):
    """How a study of a run ended: with findings, with a refusal, or with an error.

    Attributes:
        refusal: Why the run does not allow an answer; empty unless the study refused it.
        recipes: Files of the recipes that draw what the study lacks, if a recipe can.
    """

    refusal: str = ""
    recipes: tuple[Path, ...] = ()

    @classmethod
    def of(cls, outcome: Outcome) -> "StudyOutcome":
        """Convert an executor's outcome, which reports errors only."""
        if isinstance(outcome, cls):
            return outcome
        return cls(**{field.name: getattr(outcome, field.name) for field in fields(Outcome)})

    @property
    def state(self) -> StudyState:
        """How the study ended."""
        if self.error:
            return StudyState.FAILED
        return StudyState.REFUSED if self.refusal else StudyState.FOUND

    @property
    def reason(self) -> str:
        """Why there are no findings, and which recipes would help; empty if there are some."""
        if not self.recipes:
            return self.error or self.refusal
        names = ", ".join(path.name for path in self.recipes)
        return f"{self.refusal}. Recipes that draw it are in {self.recipes[0].parent}: {names}"


class StudyStage:
    """Runs studies of one run and writes their results; a `pipeline.stage.Stage`.

    A study that raises a `RunError` or another `GoldenseedError` refuses the run. Any other
    exception is a defect, and so is a `StoreError`: both are left to the executor.

    Args:
        run_root: The run folder.
        studies: Name -> settings.
    """

    name: str = "study"

    def __init__(self, run_root: str | Path, studies: Mapping[str, Mapping[str, Any]]) -> None:
        self.run_root = Path(run_root).absolute()
        self.settings = {name: dict(settings) for name, settings in studies.items()}
        self.resources: Resources = combine_resources(
            load_study(name, settings).resources for name, settings in self.settings.items()
        )

    def setup(self) -> None:
        """Check that the run exists."""
        Run.open(self.run_root)

    def run(self, task: StudyTask) -> StudyOutcome:
        """Run one study and write its findings, or the recipes of what it lacks."""
        from threadpoolctl import threadpool_limits

        start, run = perf_counter(), Run.open(self.run_root)
        study = load_study(task.id, self.settings[task.id])
        refusal = ""
        recipes: tuple[Path, ...] = ()
        try:
            with threadpool_limits(limits=study.resources.threads):
                findings = study.find(run)
        except StoreError:
            raise
        except GoldenseedError as error:
            refusal = str(error)
            if run.card.family == IMPORTED:
                refusal += IMPORTED_ADVICE
            elif isinstance(error, NotDrawnError):
                recipes = write_wanted(run, study, error.recipes)
        else:
            write_findings(run, study, findings)
        seconds = perf_counter() - start
        return StudyOutcome(task.id, seconds=seconds, refusal=refusal, recipes=recipes)
