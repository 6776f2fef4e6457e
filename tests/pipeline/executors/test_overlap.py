"""A task is begun while the one before it is being finished; results stay the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.executors.base import make_executor
from pipeline.executors.overlap import overlaps
from pipeline.stage import Outcome, Resources
from tests.pipeline import faults

EXECUTORS = ("local", "ray")


def run(executor: str, stage: faults.Stub, *, beside: int = 1) -> dict[str, Outcome]:
    stage.resources = Resources(cpus=1.0, beside=beside)
    outcomes = make_executor(executor, 1).run(stage, faults.items(6))
    return {outcome.task_id: outcome for outcome in outcomes}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_next_task_is_begun_before_a_task_is_committed(executor: str, tmp_path: Path) -> None:
    outcomes = run(executor, faults.FinishesBeside(tmp_path))
    assert [outcome.error for outcome in outcomes.values()] == [""] * 6
    faults.commit_all(tmp_path / "plain", 6)
    assert faults.contents(tmp_path) == faults.contents(tmp_path / "plain")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_errors_of_both_halves_belong_to_their_task(executor: str, tmp_path: Path) -> None:
    outcomes = run(executor, faults.FinishFailsOnce(tmp_path))
    errors = {task_id: outcome.error for task_id, outcome in outcomes.items() if outcome.error}
    assert errors == {faults.Item(4).id: "number 4 is refused"}
    assert len(outcomes) == 6
    assert len(faults.contents(tmp_path)) == 5


def test_a_stage_overlaps_only_with_threads_beside_the_device(tmp_path: Path) -> None:
    stage = faults.FinishesBeside(tmp_path)
    assert not overlaps(stage)
    stage.resources = replace(stage.resources, beside=1)
    assert overlaps(stage)
    plain = faults.Stub(tmp_path, resources=Resources(beside=1))
    assert not overlaps(plain)


class Noting(faults.Stub):
    """Notes when each task is begun and finished."""

    def setup(self) -> None:
        super().setup()
        self.notes: list[str] = []

    def begin(self, task: faults.Item) -> Callable[[], Outcome]:
        self.notes.append(f"begin {task.number}")
        return lambda: self._finish(task)

    def run(self, task: faults.Item) -> Outcome:
        return self.begin(task)()

    def _finish(self, task: faults.Item) -> Outcome:
        self.notes.append(f"finish {task.number}")
        return Outcome(task.id, cells=1)


def test_without_threads_beside_a_task_is_finished_before_the_next_is_begun(
    tmp_path: Path,
) -> None:
    """The negative control: the same stage, one task after another."""
    stage = Noting(tmp_path)
    run("local", stage, beside=0)
    pairs = [[f"begin {number}", f"finish {number}"] for number in range(6)]
    assert stage.notes == [note for pair in pairs for note in pair]
