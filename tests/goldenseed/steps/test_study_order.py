"""Studies that take long say so first and run last."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.studies import STUDIES, load_study
from goldenseed.steps import studies as steps
from goldenseed.steps.steps import Workers
from pipeline.runs.run import Run


def started(run: Run, names: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the studies in the order in which an executor gets them."""
    order: list[str] = []

    class Recorder:
        def run(self, _: object, tasks: list[Any]) -> Iterator[Any]:
            order.extend(task.id for task in tasks)
            return iter(())

    monkeypatch.setattr(steps, "make_executor", lambda *_: Recorder())
    steps.run_studies(run, {name: {} for name in names}, Workers("local"))
    return order


def test_what_is_cheap_runs_first_and_the_cost_is_said_before(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(run_folder)
    monkeypatch.setattr("analysis.studies.distinguishability.study.PIXELS_PER_SECOND", 80 * 64)
    order = started(run, list(STUDIES), monkeypatch)
    assert order[-1] == "distinguishability"
    assert sorted(order) == sorted(STUDIES)
    said = capsys.readouterr().err
    assert "study distinguishability takes about" in said
    assert "runs after the others" in said
    assert started(run, ["quality"], monkeypatch) == ["quality"]
    assert "takes about" not in capsys.readouterr().err


def test_the_estimate_follows_the_settings(run_folder: Path) -> None:
    run = Run.open(run_folder)
    whole = load_study("distinguishability").expected_seconds(run)
    images = 8 * 40 * 9 / 11 * 6 * 4
    assert whole == pytest.approx(images / 80)
    short = load_study("distinguishability", {"epochs": 1, "null": False, "fewer": []})
    assert short.expected_seconds(run) == pytest.approx(whole / 24)
