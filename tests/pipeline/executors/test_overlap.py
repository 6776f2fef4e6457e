"""A task is begun while the one before it is being finished; results stay the same."""

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


def test_without_threads_beside_a_task_is_committed_before_the_next_is_begun(
    tmp_path: Path,
) -> None:
    """The negative control: the stage then waits in vain for the next task."""
    stage = faults.FinishesBeside(tmp_path)
    stage.resources = Resources(beside=0)
    order: list[str] = []

    class Seen(faults.Stub):
        def before(self, task: faults.Item) -> None:
            order.append(task.id)

    outcomes = make_executor("local", 1).run(Seen(tmp_path), faults.items(3))
    for outcome in outcomes:
        assert order[-1] == outcome.task_id
