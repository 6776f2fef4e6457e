"""Check what each study of the registry promises. The registry finds a new study by itself.

Each study runs on the planted run of tests/analysis/studies/everything.py, or on a run of its own
that is listed there.
"""

import hashlib
import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from analysis.studies import STUDIES, load_study
from analysis.studies.results import SUMMARY, read_study_table, read_summary
from analysis.studies.stage import StudyOutcome, StudyStage, StudyState, StudyTask
from pipeline.executors.base import make_executor
from pipeline.runs.layout import STUDIES_FOLDER
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.everything import OWN, SETTINGS, everything
from tests.contracts.words import classes_with_a_name, unregistered

NAMES = sorted(STUDIES)


@pytest.fixture(scope="module")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plant a run that holds enough for every study. No test may change it."""
    return everything(tmp_path_factory.mktemp("studies") / "run").root


def results(root: Path, name: str) -> dict[str, str]:
    folder = root / STUDIES_FOLDER / load_study(name).name
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def run_study(root: Path, name: str) -> None:
    (outcome,) = make_executor("local").run(
        StudyStage(root, {name: SETTINGS.get(name, {})}), [StudyTask(name)]
    )
    result = StudyOutcome.of(outcome)
    assert result.state != StudyState.FAILED, f"study {name} fails: {result.error}"
    assert result.state == StudyState.FOUND, (
        f"study {name} has no findings on its test run ({result.reason}): in "
        f"tests/analysis/studies/everything.py, plant what it needs, give it a line in SETTINGS, "
        f"or a run of its own in OWN"
    )


@pytest.mark.parametrize(("name", "path"), classes_with_a_name("analysis.studies", base="Study"))
def test_a_class_in_the_folder_is_in_the_registry(name: str, path: str) -> None:
    table = "STUDIES (analysis/studies/__init__.py)"
    assert not unregistered(name, path, STUDIES, table=table)
    assert path in unregistered(name, path, {}, table=table)  # the negative control


@pytest.mark.parametrize("name", NAMES)
def test_states_what_it_does(name: str) -> None:
    try:
        study = load_study(name)
        study.about()
    except (TypeError, ValueError) as error:
        pytest.fail(
            f"study {name}: {error}. Every setting needs a default, and the docstring of the class "
            f"lines that begin with Question:, Method:, Null:, n: and Source:"
        )
    assert study.name == name, (
        f"the class is named {study.name!r} and the registry (analysis/studies/__init__.py) calls "
        f"it {name!r}: they must be equal"
    )
    assert {field.name for field in fields(study)} == set(study.settings())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_run_gives_the_same_bytes(name: str, full_run: Path, tmp_path: Path) -> None:
    hashes = []
    source = OWN[name](tmp_path / "own").root if name in OWN else full_run
    for copy in ("one", "two"):
        root = Path(shutil.copytree(source, tmp_path / copy))
        run_study(root, name)
        hashes.append(results(root, name))
    first, second = hashes
    different = {file for file in first | second if first.get(file) != second.get(file)}
    assert not different, (
        f"study {name} gives other bytes the second time: {', '.join(sorted(different))}; draw "
        f"random numbers only from `self.rng(run, part)`, and write no time and no path"
    )
    assert SUMMARY in first
    figures = [file for file in first if file.endswith(".png")]
    assert figures, f"study {name} draws no figure: return at least one in Findings.figures"
    summary = read_summary(Run.open(root), name)
    captions = summary["captions"]
    assert captions.keys() == {file.removesuffix(".png") for file in figures}
    assert all(captions.values()), f"a figure of study {name} has no caption"
    assert {**summary["files"]} == {k: v for k, v in first.items() if k != SUMMARY}
    for table, columns in summary["columns"].items():
        assert read_study_table(Run.open(root), name, table).columns == list(columns), (
            f"table {table} of study {name} has other columns than its StudyTable explains"
        )
    for stamp in ("run_id", "grid_hash", "settings", "rng_seed", "versions", "identities"):
        assert summary[stamp], f"the summary of study {name} has no {stamp}" + (
            ": return analysis.study_tools.measured.identities(...) in Findings.identities"
            if stamp == "identities"
            else ""
        )
    assert "\n" not in summary["outcome"], f"the outcome of study {name} must be one line"
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_too_little_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    run = synthetic.start(
        tmp_path, seeds=range(2), n_prompts=6, features=["appearance"], ranking=None
    )
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance")
    (outcome,) = make_executor("local").run(StudyStage(run.root, {name: {}}), [StudyTask(name)])
    result = StudyOutcome.of(outcome)
    assert result.state == StudyState.REFUSED, (
        f"study {name} on 2 seeds and 6 prompts is {result.state} ({result.error or 'no error'}): "
        f"raise a RunError that says what was found and what is needed; see "
        f"analysis.study_tools.measured.require"
    )
    assert "need" in result.reason, (
        f"study {name} refuses with {result.reason!r}, which does not say what it needs"
    )
    assert (result.cells, result.failed, result.error) == (0, 0, "")
    assert not (run.root / STUDIES_FOLDER).exists()
