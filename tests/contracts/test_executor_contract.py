"""What every executor promises; a new one in the table is tested by its line there."""

import functools
import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ModelError, RegistryError
from pipeline.executors import EXECUTORS
from pipeline.executors.base import make_executor
from pipeline.executors.ray import RayExecutor
from pipeline.stage import Executor, Resources
from tests.pipeline import faults
from tests.pipeline.faults import items

COUNT = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local Ray for all tests of this file: starting one takes seconds."""
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
    outcomes = list(executor.run(faults.Stub(tmp_path), items(COUNT)))
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(wanted)
    assert all(outcome.cells == 1 and not outcome.error for outcome in outcomes)
    assert faults.contents(tmp_path) == wanted


def test_two_actors_share_the_work(tmp_path: Path, wanted: dict[str, str], cluster: None) -> None:
    outcomes = list(make_executor("ray", 2).run(faults.WaitsForTheOther(tmp_path), items(COUNT)))
    assert not any(outcome.error for outcome in outcomes)
    assert faults.contents(tmp_path) == wanted


def test_no_tasks_need_no_setup(executor: Executor, tmp_path: Path) -> None:
    assert list(executor.run(faults.SetupRefuses(tmp_path), [])) == []
    assert not (tmp_path / "marks").exists()


def test_tasks_are_drawn_as_they_are_needed(executor: Executor, tmp_path: Path) -> None:
    """The driver must not hold the grid: it is far ahead of the outcomes by a few tasks only."""
    drawn = 0

    def tasks() -> Iterator[faults.Item]:
        nonlocal drawn
        for item in items(COUNT):
            drawn += 1
            yield item

    ahead = [
        drawn - done for done, _ in enumerate(executor.run(faults.Stub(tmp_path), tasks()), start=1)
    ]
    assert len(ahead) == COUNT
    assert max(ahead) <= 5


def test_every_third_call_fails_and_everything_is_done(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    outcomes = list(executor.run(faults.EveryThirdCallFails(tmp_path), items(COUNT)))
    assert not [outcome.error for outcome in outcomes if outcome.error]
    assert faults.contents(tmp_path) == wanted


def test_what_never_works_is_named_and_the_rest_is_done(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    outcomes = list(executor.run(faults.SomeAlwaysFail(tmp_path), items(COUNT)))
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {
        faults.Item(n).id: f"RuntimeError: number {n} never works (3 attempts)" for n in (1, 5)
    }
    assert not any(outcome.fatal for outcome in outcomes)
    assert len(outcomes) == COUNT
    assert faults.contents(tmp_path).keys() == wanted.keys() - errors.keys()


def test_a_refused_task_is_not_tried_again(executor: Executor, tmp_path: Path) -> None:
    outcomes = list(executor.run(faults.SomeAreRefused(tmp_path), items(COUNT)))
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {faults.Item(n).id: f"number {n} is not wanted" for n in (1, 5)}
    assert len(outcomes) == COUNT


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


def test_a_setup_that_always_fails_ends(executor: Executor, tmp_path: Path) -> None:
    (outcome,) = executor.run(faults.SetupFails(tmp_path), items(1))
    assert outcome.fatal
    assert "OSError: no such device" in outcome.error


def test_doing_it_again_changes_nothing(
    executor: Executor, tmp_path: Path, wanted: dict[str, str]
) -> None:
    faults.commit_all(tmp_path, COUNT)
    list(executor.run(faults.Stub(tmp_path), items(COUNT)))
    assert faults.contents(tmp_path) == wanted
    assert len(data_files(tmp_path)) == COUNT


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
    with pytest.raises(ConfigError, match="one worker, 2 were asked for"):
        make_executor("local", 2)


@pytest.mark.parametrize(("stage", "killed"), [(faults.KillsItself, 0), (faults.OneAlwaysKills, 1)])
def test_tasks_of_a_dead_actor_are_done_by_another(
    stage: type[faults.Stub], killed: int, tmp_path: Path, wanted: dict[str, str], cluster: None
) -> None:
    outcomes = list(make_executor("ray", 2).run(stage(tmp_path), items(COUNT)))
    errors = {outcome.task_id: outcome.error for outcome in outcomes if outcome.error}
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(wanted)
    assert len(errors) == killed
    assert all(
        "its process ended" in error and "(3 attempts)" in error for error in errors.values()
    )
    contents = faults.contents(tmp_path)
    assert contents == {shard: wanted[shard] for shard in wanted if shard not in errors}


def test_the_killing_stage_does_kill(tmp_path: Path) -> None:
    """Without an executor between, the same stage takes its process with it."""
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


def test_a_setup_that_dies_ends(tmp_path: Path, cluster: None) -> None:
    (outcome,) = make_executor("ray", 1).run(faults.SetupDies(tmp_path), items(2))
    assert outcome.fatal
    assert "no actor for stub stays alive" in outcome.error


def test_a_missing_gpu_is_said_at_once(tmp_path: Path, cluster: None) -> None:
    stage = faults.Stub(tmp_path, resources=Resources(gpus=64.0))
    with pytest.raises(ModelError, match=r"stub needs 64 GPU.* has 0|stub needs 64 GPU.* has \d"):
        next(iter(make_executor("ray").run(stage, items(2))))


def test_threads_are_set_before_libraries_load(tmp_path: Path, cluster: None) -> None:
    stage = faults.TellsItsThreads(tmp_path, resources=Resources(threads=3))
    assert [o.error for o in make_executor("ray", 1).run(stage, items(1))] == [""]


def test_importable_stubs() -> None:
    """Actors find the stubs by name, as they would a user's own stage."""
    assert importlib.util.find_spec("tests.pipeline.faults") is not None
