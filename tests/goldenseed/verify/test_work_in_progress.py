"""Verification never calls work in progress damage."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.runs.run import Run
from tests.goldenseed.conftest import Call

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 16}
seeds: {start: 0, count: 2}
tile: {seeds: 1, prompts: 4}
batch_size: 8
keep_latents: last
sampling: {num_inference_steps: 2}
features: [appearance]
metrics: [brightness]
measure: MEASURE
"""


def problems(run: Path) -> dict[str, str]:
    return {file.name: file.problem for file in RunFolder(run).check() if file.problem}


@contextmanager
def running(command: Path, *arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([command, *map(str, arguments)], stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("measure", ["while_drawing", "afterwards"])
def test_a_run_being_drawn_has_no_problem(command: Path, tmp_path: Path, measure: str) -> None:
    """And being drawn again: all images are set aside in the middle, as `--repair` may do."""
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(RECIPE.replace("MEASURE", measure))
    calls = undrawn = 0
    for _ in range(2):
        with running(command, "run", recipe, "--out", out, "--executor", "local") as process:
            while not (out / "grid/0000.json").exists():
                assert process.poll() is None
                time.sleep(0.01)
            while process.poll() is None:
                assert problems(out) == {}
                undrawn += RunFolder(out).undrawn() > 0
                calls += 1
                time.sleep(0.2)  # leave the processor to the run
            assert process.returncode == 0
        assert problems(out) == {}
        run = Run.open(out)
        for receipt in [*run.images.receipts()]:
            run.images.supersede(receipt.shard_id, receipt.block)
    assert undrawn >= 2, f"{calls} calls, {undrawn} of them while something was undrawn"


def test_a_killed_publish_is_no_damage(call: Call, run_folder: Path) -> None:
    (release,) = (run_folder / "releases").iterdir()
    hidden = run_folder / "releases" / f".{release.name}.0a1b2c3d"
    hidden.mkdir()
    shutil.copy(release / "README.md", hidden)
    (run_folder / "releases/.s-v1.0").mkdir()
    called = call("verify", run_folder)
    assert called.code == 0
    assert "1 leftover (" in called.out


def test_what_repair_sets_aside_is_to_be_made_again_and_no_damage(
    call: Call, recipe: Path, run_folder: Path
) -> None:
    receipt = next(Run.open(run_folder).images.receipts())
    (run_folder / "images" / receipt.file).write_bytes(b"")
    assert call("verify", run_folder, "--repair").code == 4
    called = call("verify", run_folder)
    assert called.code == 0
    assert "still being drawn: 1 shard has no images yet" in called.out
    features = sorted((run_folder / "features").rglob("*.parquet"))
    assert call("run", recipe, "--out", run_folder, "--executor", "local").code == 0
    assert sorted((run_folder / "features").rglob("*.parquet")) == features, "they were good"
    assert call("verify", run_folder).code == 0


def test_a_study_that_was_killed_is_no_damage(call: Call, run_folder: Path) -> None:
    half = run_folder / "attempts/studies/quality-0a1b2c3d"
    half.mkdir(parents=True)
    (half / "seeds.parquet").write_bytes(b"half")
    assert call("verify", run_folder).code == 0
