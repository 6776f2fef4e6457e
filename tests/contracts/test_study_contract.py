"""What every study in the registry keeps to; the registry finds a new one by itself."""

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

NAMES = sorted(STUDIES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planted run that holds enough for every study. Do not change it."""
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
    assert StudyOutcome.of(outcome).state == StudyState.FOUND, outcome


@pytest.mark.parametrize("name", NAMES)
def test_states_what_it_does(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    assert set(study.about()) == {"question", "method", "null", "n", "source"}
    assert study == type(study)()  # every setting has a default
    assert {each.name for each in fields(study)} == set(study.settings())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_run_gives_the_same_bytes(name: str, whole: Path, tmp_path: Path) -> None:
    found = []
    source = OWN[name](tmp_path / "own").root if name in OWN else whole
    for copy in ("one", "two"):
        root = Path(shutil.copytree(source, tmp_path / copy))
        run_study(root, name)
        found.append(results(root, name))
    assert found[0] == found[1]
    assert SUMMARY in found[0]
    assert any(file.endswith(".png") for file in found[0])
    summary = read_summary(Run.open(root), name)
    assert {**summary["files"]} == {k: v for k, v in found[0].items() if k != SUMMARY}
    for table, columns in summary["columns"].items():
        assert read_study_table(Run.open(root), name, table).columns == list(columns)
    for stamp in ("run_id", "grid_hash", "settings", "rng_seed", "versions", "identities"):
        assert summary[stamp]
    assert "\n" not in summary["outcome"]
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
    assert result.state == StudyState.REFUSED
    assert "need" in result.reason
    assert (result.cells, result.failed, result.error) == (0, 0, "")
    assert not (run.root / STUDIES_FOLDER).exists()
