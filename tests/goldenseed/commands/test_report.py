"""`goldenseed report`: where it writes, what it prints, and what it refuses."""

import json
from pathlib import Path

from tests.goldenseed.conftest import Call


def test_the_report_is_written_into_the_run_or_elsewhere(
    call: Call, run_folder: Path, tmp_path: Path
) -> None:
    assert call("report", run_folder).out == f"report: {run_folder}/report/index.html\n"
    elsewhere = tmp_path / "elsewhere"
    called = call("report", run_folder, "--out", elsewhere, "--json")
    assert json.loads(called.out) == [str(elsewhere / "index.html")]
    first, second = run_folder / "report", elsewhere
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    assert call("verify", run_folder).code == 0


def test_bad_folders_are_refused_in_words(call: Call, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    refused = call("report", run_folder, "--out", tmp_path / "mine")
    assert (refused.code, refused.out) == (2, "")
    assert "holds other files (thesis.tex)" in refused.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    no_run = call("report", tmp_path / "mine")
    assert no_run.code == 2
    assert "is not a run folder" in no_run.err
