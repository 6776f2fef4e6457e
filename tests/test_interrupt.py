"""Ctrl-C and SIGTERM stop the command at once, lose nothing, and leave nobody behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from goldenseed.commands import exit_codes
from pipeline.runs.run import Run
from tests.goldenseed.conftest import RECIPE


@pytest.mark.parametrize(
    ("executor", "number"), [("local", signal.SIGTERM), ("ray", signal.SIGINT)]
)
def test_stopped_run_goes_on(
    tmp_path: Path, command: Path, executor: str, number: signal.Signals
) -> None:
    steps = RECIPE.replace("num_inference_steps: 2", "num_inference_steps: 30")
    (tmp_path / "recipe.yaml").write_text(steps)
    out = tmp_path / "run"
    arguments = [command, "generate", tmp_path / "recipe.yaml", "--out", out]
    arguments += ["--executor", executor, "--workers", "1"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list(out.glob("receipts/images/*/*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=100)
    assert process.returncode == exit_codes.STOPPED
    assert "repeat the command to continue" in err
    assert "Traceback" not in err
    kept = {r.shard_id: r.content_sha256 for r in Run.open(out).images.receipts()}
    assert 1 <= len(kept) < 10
