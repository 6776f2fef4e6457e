"""`goldenseed study` on a small run: results, refusals, both executors, the run's status."""

import json
from pathlib import Path

import goldenseed
from pipeline.runs.layout import STUDIES_FOLDER
from tests.goldenseed.conftest import Call


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def test_a_study_writes_its_results_and_its_line(call: Call, run_folder: Path) -> None:
    done = call("study", "quality", run_folder)
    assert done.code == 0
    assert "study quality: done in" in done.err
    assert "reliability" in done.out
    assert "without a seed effect" in call("status", run_folder).out
    (status,) = json.loads(call("status", run_folder, "--json").out)
    assert status["studies"]["quality"] in done.out
    view = goldenseed.open_run(run_folder)
    summary, table = view.study("quality"), view.study("quality", "seeds")
    assert set(table["seed"]) == set(view.seeds)
    assert summary["run_id"] == view.run.run_id


def test_ray_writes_the_bytes_of_local(call: Call, run_folder: Path) -> None:
    for executor in ("local", "ray"):
        options = ("--executor", executor, "--set", "permutations=250")
        assert call("study", "quality", run_folder, *options).code == 0
        results = files(run_folder / STUDIES_FOLDER)
        if executor == "local":
            first = results
    assert results == first
    assert json.loads(results["quality/summary.json"])["settings"]["permutations"] == 250


def test_a_refusal_says_what_is_lacking_without_a_traceback(call: Call, run_folder: Path) -> None:
    wrong = call("study", "qualty", run_folder)
    assert wrong.code == 2
    assert "did you mean 'quality'" in wrong.err
    few = call("study", "quality", run_folder, "--set", "metrics=[hps_v2_1]")
    assert few.code == 2
    assert "Traceback" not in few.err
    assert "hps" in few.err


def test_all_says_what_it_refused(call: Call, run_folder: Path) -> None:
    done = call("study", "all", run_folder, "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert "quality" in [study["study"] for study in report["studies"]]
    assert all(any(c.isdigit() for c in why) or "need" in why for why in report["refused"].values())
