"""Each run has a log that says what each shard used and why it failed, and holds no secrets."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from goldenseed.output.summaries import note_summary
from goldenseed.steps import begin, steps
from goldenseed.steps.costs.cost import Cost
from goldenseed.steps.costs.expected import drawing_expected
from goldenseed.steps.plan import plan_recipe
from goldenseed.steps.result import Result
from pipeline.drawing.stage.stage import GenerateStage
from pipeline.runs import log as logs
from pipeline.runs.layout import LOGS_FOLDER
from pipeline.runs.log import RunLog
from pipeline.runs.run import Run, feature_folders
from pipeline.settings.recipe import load_recipe
from pipeline.stage import Outcome
from pipeline.usage import Usage
from tests.goldenseed.conftest import Call

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"


def lines(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / LOGS_FOLDER).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_the_log_of_a_run_names_each_shard_once(made: Path) -> None:
    run = Run.open(made / "run")
    shards = {line["shard"]: line for line in lines(run.root) if line["event"] == "shard"}
    assert shards.keys() == {tile.id for tile in run.tiles()}
    assert {line["run_id"] for line in shards.values()} == {run.run_id}
    written = Counter[str]()
    for folder in (run.images, *feature_folders(run.store)):
        written.update({receipt.shard_id: receipt.file_bytes for receipt in folder.receipts()})
    for receipt in run.images.receipts():
        line = shards[receipt.shard_id]
        assert (line["images"], line["failed"]) == (receipt.rows, receipt.failed)
        assert line["written_bytes"] == written[receipt.shard_id]
        assert 0 <= line["idle_share"] <= 1
        assert line["gpu_bytes"] is None
        assert line["parts"].keys() == {"draw", "encode", "commit", "perceptual", "appearance"}
        assert sum(line["parts"].values()) <= line["seconds"] + 0.01


def test_the_log_of_measuring_has_the_time_of_each_feature(run_folder: Path) -> None:
    shutil.rmtree(run_folder / "receipts" / "features")
    steps.extract(Run.open(run_folder), steps.Workers("local"))
    measured = [line for line in lines(run_folder) if line["step"] == "measure"]
    parts = [line["parts"].keys() for line in measured if line["event"] == "shard"]
    assert len(parts) == 10
    assert all(keys == {"read", "perceptual", "appearance", "commit"} for keys in parts)


def test_the_sums_of_the_log_are_those_of_its_shards(made: Path) -> None:
    drawn = [line for line in lines(made / "run") if line["step"] == "generate"]
    begun, ended = (line for line in drawn if line["event"] != "shard")
    shards = [line for line in drawn if line["event"] == "shard"]
    assert begun["images"] == ended["images"] == sum(line["images"] for line in shards)
    assert ended["written_bytes"] == sum(line["written_bytes"] for line in shards)
    assert ended["workers"] == 1


def test_a_prompt_is_named_by_its_id_alone(made: Path) -> None:
    text = "\n".join(file.read_text() for file in (made / "run" / LOGS_FOLDER).glob("*"))
    prompts = Run.open(made / "run").prompts.values()
    assert prompts
    assert not [prompt.text for prompt in prompts if prompt.text in text]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each shard fail with a message that quotes a token."""

    def fail(_stage: GenerateStage, task: object) -> Outcome:
        raise ValueError(f"GET https://example.org/?token={TOKEN}: {task!r:.0}no such file")

    monkeypatch.setattr(GenerateStage, "begin", fail)


@pytest.mark.usefixtures("failing")
def test_what_failed_is_summarised_with_the_command_that_tries_again(
    recipe: Path, tmp_path: Path, call: Call
) -> None:
    words = ("generate", recipe, "--out", tmp_path / "run", "--executor", "local")
    called = call(*words)
    assert called.code == 3
    assert "10 shards have no result:" in called.err
    assert "no such file (3 attempts)" in called.err
    again = " ".join(["goldenseed", *map(str, words)])
    assert f"repeat the command to try them again: {again}" in called.err
    failed = [line for line in lines(tmp_path / "run") if line["event"] == "shard"]
    assert len(failed) == 10
    assert all("no such file" in line["error"] for line in failed)
    written = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert TOKEN.encode() not in written
    assert TOKEN not in called.err + called.out


def test_without_redaction_the_token_would_be_in_the_log(
    recipe: Path, tmp_path: Path, call: Call, failing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test above."""
    for module in ("pipeline.executors.base", "pipeline.runs.log", "goldenseed.progress"):
        monkeypatch.setattr(f"{module}.redact", str)
    called = call("generate", recipe, "--out", tmp_path / "run", "--executor", "local")
    assert any(TOKEN in line.get("error", "") for line in lines(tmp_path / "run"))
    assert TOKEN in called.err


def test_reasons_of_failed_images_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {"flagged: the safety checker": 3, "nonfinite: NaN": 9}
    expected = Cost(core_seconds=10.0, disk_bytes=6_000_000)
    note_summary([Result("generate", 100, 12, (), 0, reasons, 4.0, 2, 5_000_000, expected)])
    assert capsys.readouterr().err.splitlines() == [
        "generate: 100 images done now in 4 s (25.0 images/s, 2 workers, 5.0 MB; planned 5 s, "
        "6.0 MB), 12 of them failed (their rows keep the reason)",
        "  9 x nonfinite: NaN",
        "  3 x flagged: the safety checker",
    ]


def test_logs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2_000)
    monkeypatch.setattr(logs, "MOST_FILES", 3)
    recipe = load_recipe("seedling-mini")
    (run,) = begin.start_runs(recipe, tmp_path / "run")
    with RunLog(run, "generate") as log:
        for number in range(100):
            usage = Usage("a1", "host:1", {"draw": 1.0}, 0.5, None, 7)
            log.shard(Outcome(f"{number:04}", 8, usage=usage))
    files = sorted((run.root / LOGS_FOLDER).iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size < 3_000 for file in files)
    assert lines(run.root)[-1]["shard"] == "0099"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (run,) = begin.start_runs(load_recipe("seedling-mini"), tmp_path / "run")
    (run.root / LOGS_FOLDER).touch()
    with RunLog(run, "generate") as log:
        log.shard(Outcome("a", 8))
    assert (run.root / LOGS_FOLDER).read_bytes() == b""


def test_a_repeated_command_writes_no_log(run_folder: Path) -> None:
    before = sorted((run_folder / LOGS_FOLDER).iterdir())
    steps.generate(Run.open(run_folder), steps.Workers("local"))
    assert sorted((run_folder / LOGS_FOLDER).iterdir()) == before


def test_what_is_expected_is_what_the_plan_says(made: Path, tmp_path: Path) -> None:
    run = Run.open(made / "run")
    (plan,) = plan_recipe(run.recipe, run.prompts, tmp_path)
    cost = drawing_expected(run, plan.cells, measured=True)
    assert cost is not None
    assert plan.seconds is not None
    assert cost.seconds(2) == pytest.approx(plan.seconds)
    assert cost.disk_bytes == plan.image_bytes + plan.feature_bytes
    half = drawing_expected(run, plan.cells // 2, measured=True)
    assert half is not None
    assert half.seconds(2) == pytest.approx(plan.seconds / 2)
