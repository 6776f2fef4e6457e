"""How a study can end: with findings, refused with a reason and recipes, or with an error."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from pipeline.errors import RunError
from pipeline.executors.base import make_executor
from pipeline.runs.layout import STUDIES_FOLDER, WANTED_FOLDER
from pipeline.runs.run import Run
from tests.analysis import synthetic


@dataclass(frozen=True)
class Ending(Study):
    """A study that ends as its setting says.

    Question: How does a study end?
    Method: As told.
    Null: None.
    n: 1.
    Source: None.
    """

    name: ClassVar[str] = "ending"
    version: ClassVar[int] = 1
    how: str = "found"

    def find(self, run: Run) -> Findings:
        if self.how == "too_little":
            raise RunError("2 seeds; this study needs at least 8")
        if self.how == "not_drawn":
            raise NotDrawnError("0 other runs; this study needs 1", {"other": "card: x\n"})
        if self.how == "defect":
            raise ZeroDivisionError("a defect")
        table = StudyTable(pl.DataFrame({"seed": [1]}), {"seed": "The seed."})
        return Findings("It ended.", {"n": 1}, {"seeds": table})


NAME = f"{__name__}:{Ending.__name__}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic.start(tmp_path_factory.mktemp("stage"), seeds=range(2), n_prompts=6)


@pytest.fixture
def end(run: Run) -> "End":
    return End(run)


@dataclass(frozen=True)
class End:
    """Runs the study on the local executor."""

    run: Run

    def __call__(self, how: str) -> StudyOutcome:
        stage = StudyStage(self.run.root, {NAME: {"how": how}})
        (outcome,) = make_executor("local").run(stage, [StudyTask(NAME)])
        return StudyOutcome.of(outcome)


def test_findings_are_written(run: Run, end: End) -> None:
    result = end("found")
    assert (result.state, result.reason, result.recipes) == (StudyState.FOUND, "", ())
    summary = json.loads((run.root / STUDIES_FOLDER / "ending" / "summary.json").read_text())
    assert summary["outcome"] == "It ended."


def test_a_refusal_is_no_error_and_counts_no_cells(end: End) -> None:
    result = end("too_little")
    assert result.state == StudyState.REFUSED
    assert result.reason == result.refusal == "2 seeds; this study needs at least 8"
    assert (result.cells, result.failed, result.error, result.fatal) == (0, 0, "", False)


def test_a_refusal_names_the_recipes_that_would_help(run: Run, end: End) -> None:
    result = end("not_drawn")
    (recipe,) = result.recipes
    assert recipe == run.root.absolute() / WANTED_FOLDER / "ending" / "other.yaml"
    assert recipe.read_text() == "card: x\n"
    assert result.state == StudyState.REFUSED
    assert result.reason.endswith(f"are in {recipe.parent}: other.yaml")


def test_a_defect_is_a_failure(end: End) -> None:
    result = end("defect")
    assert result.state == StudyState.FAILED
    assert "a defect" in result.reason
    assert result.refusal == ""


def test_a_run_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    stage = StudyStage(tmp_path, {NAME: {}})
    (outcome,) = make_executor("local").run(stage, [StudyTask(NAME)])
    assert outcome.fatal
    assert StudyOutcome.of(outcome).state == StudyState.FAILED
