"""Watching a run that another process draws."""

import subprocess
import sys
from pathlib import Path

import pytest

from goldenseed.steps.watch import watch_runs
from pipeline.runs.run import Run
from tests.goldenseed.conftest import RECIPE, Call


def test_a_finished_run_is_told_at_once(made: Path, call: Call) -> None:
    called = call("status", made / "run", "--watch")
    assert called.code == 0
    assert called.err.splitlines()[0] == "320 of 320 images drawn"


def test_lines_are_written_until_another_process_has_drawn_the_last_image(
    tmp_path: Path, root: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    out = ("--out", tmp_path / "run", "--executor", "local", "--part")
    assert call("generate", tmp_path / "recipe.yaml", *out, "1/2").code == 0
    half = sum(receipt.rows for receipt in Run.open(tmp_path / "run").images.receipts())
    assert 0 < half < 320
    rest = ["generate", tmp_path / "recipe.yaml", *out, "2/2"]
    other = subprocess.Popen([sys.executable, "-m", "goldenseed", *map(str, rest)], cwd=root)
    watch_runs(lambda: [Run.open(tmp_path / "run")], seconds=0.05)
    assert other.wait(timeout=120) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 320 images" in line]
    assert lines[0] == f"{half} of 320 images drawn"
    assert "no new one in" in lines[1]
    assert lines[-1].startswith("320 of 320 images, ")
    assert "images/s" in lines[-1]
