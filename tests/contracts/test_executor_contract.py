"""The contract of executors; each executor in the registry is tested."""

import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ModelError, RegistryError
from pipeline.executors import EXECUTORS
from pipeline.executors.base import make_executor
from pipeline.executors.ray.executor import RayExecutor
from pipeline.stage import Executor, Resources
from tests.pipeline import faults
from tests.pipeline.faults import items

COUNT = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local Ray cluster for all tests of this file, because a start takes seconds."""
    with RayExecutor(2):
        yield


@pytest.fixture(params=sorted(EXECUTORS))
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "ray":
        request.getfixturevalue("cluster")
        return make_executor("ray", 1)
    return make_executor(request.param)


@functools.cache
def undisturbed(root: Path) -> dict[str, str]:
    """Shard -> content hash, from commits without any executor."""
    faults.commit_all(root, COUNT)
    return faults.contents(root)


@pytest.fixture
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return undisturbed(tmp_path_factory.getbasetemp() / "undisturbed")


def data_files(root: Path) -> set[str]:
    return {file.name for file in (root / "things" / faults.BLOCK).glob("*")}


def test_every_task_is_done_once_with_the_same_content(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    """Some shards exist before, and the driver does not read all tasks at once."""
    faults.commit_all(tmp_path, 2)
    drawn = 0

    def tasks() -> Iterator[faults.Item]:
        nonlocal drawn
        for item in items(COUNT):
            drawn += 1
            yield item

    outcomes, ahead = [], []
    for outcome in executor.run(faults.Stub(tmp_path), tasks()):
        outcomes.append(outcome)
        ahead.append(drawn - len(outcomes))
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(wanted)
    assert all(outcome.cells == 1 and not outcome.error for outcome in outcomes)
    assert faults.contents(tmp_path) == wanted
    assert len(data_files(tmp_path)) == COUNT
    assert ahead[0] <= 2


def test_content_that_depends_on_the_process_would_be_noticed(
    executor: Executor, tmp_path: Path
) -> None:
    """The control: with content that depends on the process, the comparison above fails."""
    faults.commit_all(tmp_path / "undisturbed", COUNT, faults.DependsOnItsProcess)
    wanted = faults.contents(tmp_path / "undisturbed")
    list(executor.run(faults.DependsOnItsProcess(tmp_path), items(COUNT)))
    found = faults.contents(tmp_path)
    assert found.keys() == wanted.keys()
    assert all(found[shard] != wanted[shard] for shard in wanted)


def test_without_tasks_there_is_no_setup(executor: Executor, tmp_path: Path) -> None:
    assert list(executor.run(faults.SetupRefuses(tmp_path), [])) == []
    assert not (tmp_path / "marks").exists()


def test_with_every_third_call_failing_the_rest_is_done_and_what_is_not_is_named(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    """Number 1 is refused (one try); number 5 never works (three tries)."""
    outcomes = list(executor.run(faults.Troubled(tmp_path), items(COUNT)))
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {
        faults.Item(1).id: "number 1 is refused",
        faults.Item(5).id: "RuntimeError: number 5 never works (3 attempts)",
    }
    assert not any(outcome.fatal for outcome in outcomes)
    assert len(outcomes) == COUNT
    contents = faults.contents(tmp_path)
    assert contents == {shard: wanted[shard] for shard in wanted if shard not in errors}


def test_a_full_disk_stops_everything(executor: Executor, tmp_path: Path) -> None:
    outcomes = list(executor.run(faults.DiskFills(tmp_path), items(COUNT)))
    assert outcomes[-1].fatal
    assert outcomes[-1].error == "the disk is full"
    assert outcomes[-1].task_id == faults.Item(2).id
    assert len(outcomes) < COUNT


def test_a_setup_that_refuses_ends_at_once(executor: Executor, tmp_path: Path) -> None:
    start = time.monotonic()
    (outcome,) = executor.run(faults.SetupRefuses(tmp_path), items(COUNT))
    assert outcome.fatal
    assert outcome.error == "the weights are not here"
    assert outcome.task_id in {item.id for item in items(COUNT)}
    assert time.monotonic() - start < 30
    assert len(list((tmp_path / "marks").iterdir())) == 1


def test_a_setup_that_fails_is_tried_again(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    outcomes = list(executor.run(faults.SetupFailsOnce(tmp_path), items(COUNT)))
    assert not any(outcome.error for outcome in outcomes)
    assert faults.contents(tmp_path) == wanted


TWO_DRIVERS = """
import sys, time
from pathlib import Path
from tests.pipeline import faults
from pipeline.executors.base import make_executor
root, name, start = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
time.sleep(max(0, start - time.time()))
outcomes = list(make_executor(name).run(faults.Stub(root), faults.items(8)))
assert len(outcomes) == 8 and not any(outcome.error for outcome in outcomes), outcomes
"""


def test_two_drivers_at_once_make_each_shard_once(
    tmp_path: Path, wanted: dict[str, str], root: Path
) -> None:
    start = str(time.time() + 4)
    drivers = [
        subprocess.Popen([sys.executable, "-c", TWO_DRIVERS, tmp_path, "local", start], cwd=root)
        for _ in range(2)
    ]
    assert [driver.wait(60) for driver in drivers] == [0, 0]
    assert faults.contents(tmp_path) == wanted
    named = {Path(receipt.file).name for receipt in faults.folder(tmp_path).receipts()}
    assert data_files(tmp_path) == named


def test_unknown_executor_names_the_nearest() -> None:
    with pytest.raises(RegistryError, match="did you mean 'local'"):
        make_executor("locl")


def test_local_has_one_worker() -> None:
    with pytest.raises(ConfigError, match="one worker, and 2 were asked for"):
        make_executor("local", 2)


def test_tasks_of_dead_actors_are_done_by_others(
    tmp_path: Path, wanted: dict[str, str], cluster: None
) -> None:
    """Two tasks kill their process once, before or after the commit; number 6 always does."""
    outcomes = list(make_executor("ray", 2).run(faults.KillsItself(tmp_path), items(COUNT)))
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(wanted)
    assert list(errors) == [faults.Item(6).id]
    assert "its process ended" in errors[faults.Item(6).id]
    assert "(3 attempts)" in errors[faults.Item(6).id]
    assert len(list((tmp_path / "marks").iterdir())) == 2
    contents = faults.contents(tmp_path)
    assert contents == {shard: wanted[shard] for shard in wanted if shard not in errors}


def test_two_actors_share_the_work_with_the_threads_asked_for(
    tmp_path: Path, wanted: dict[str, str], cluster: None
) -> None:
    stage = faults.WaitsForTheOther(tmp_path, resources=Resources(threads=3))
    outcomes = list(make_executor("ray", 2).run(stage, items(COUNT)))
    assert not any(outcome.error for outcome in outcomes), outcomes
    assert faults.contents(tmp_path) == wanted


def test_the_killing_stage_does_kill(tmp_path: Path) -> None:
    """The control: without an executor the same stage ends its process."""
    code = (
        "import sys; from pathlib import Path; from tests.pipeline import faults\n"
        "stage = faults.KillsItself(Path(sys.argv[1])); stage.setup()\n"
        "for item in faults.items(8): stage.run(item)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9


def test_a_spoilt_process_is_replaced(
    tmp_path: Path, wanted: dict[str, str], cluster: None
) -> None:
    outcomes = list(make_executor("ray", 1).run(faults.SpoilsItsProcess(tmp_path), items(COUNT)))
    assert not any(outcome.error for outcome in outcomes)
    assert faults.contents(tmp_path) == wanted


def test_a_spoilt_process_ends_the_local_executor(tmp_path: Path) -> None:
    outcomes = list(make_executor("local").run(faults.SpoilsItsProcess(tmp_path), items(COUNT)))
    assert [outcome.fatal for outcome in outcomes] == [False, True]


def test_a_missing_gpu_is_reported_at_once(tmp_path: Path, cluster: None) -> None:
    stage = faults.Stub(tmp_path, resources=Resources(gpus=64.0))
    with pytest.raises(ModelError, match=r"stub needs 64 GPU.* has \d.* set RAY_ADDRESS"):
        next(iter(make_executor("ray").run(stage, items(2))))
