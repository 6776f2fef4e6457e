"""The Ray executor on several machines: raylets of their own on this one."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pipeline import faults
from tests.ray_machines import RayMachines

DRIVER = """
import json, sys
from pathlib import Path
from pipeline.errors import GoldenseedError
from pipeline.executors.ray.executor import RayExecutor
from pipeline.stage import Resources
from tests.pipeline import faults

root, count, gpus, workers = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
stage = faults.TellsItsMachine(root, resources=Resources(gpus=gpus))
executor = RayExecutor(int(workers) if workers else None)
try:
    for outcome in executor.run(stage, faults.items(count)):
        print(json.dumps([outcome.task_id, outcome.error]), flush=True)
except GoldenseedError as error:
    print(json.dumps([type(error).__name__, str(error)]), flush=True)
"""

Make = Callable[..., RayMachines]


@pytest.fixture
def machines() -> Iterator[Make]:
    """Makes a cluster in a folder with a short path, which Ray's sockets need."""
    with ExitStack() as stack:

        def make(*cloud: object) -> RayMachines:
            folder = Path(tempfile.mkdtemp(prefix="gs", dir="/tmp"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            made = RayMachines(folder, cloud or None)  # type: ignore[arg-type]
            stack.callback(made.close)
            return made

        yield make


def start(
    cluster: RayMachines, root: Path, count: int, gpus: float, workers: str = ""
) -> "subprocess.Popen[str]":
    """Start a driver that runs `count` tasks."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, root, str(count), str(gpus), workers],
        env={**cluster.environment, "RAY_ADDRESS": cluster.address},
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcomes(driver: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait for a driver; task id -> error."""
    return outcomes_and_log(driver)[0]


def outcomes_and_log(driver: "subprocess.Popen[str]") -> tuple[dict[str, str], str]:
    """Wait for a driver; task id -> error, and what it wrote to stderr."""
    out, err = driver.communicate(timeout=240)
    assert driver.returncode == 0, err
    return dict(json.loads(line) for line in out.splitlines()), err


def all_done(count: int) -> dict[str, str]:
    return {item.id: "" for item in faults.items(count)}


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.2)


def test_an_autoscaler_starts_from_no_machine_at_all(machines: Make, tmp_path: Path) -> None:
    """Actors are asked for before machines are checked: without them, no machine would start."""
    cluster = machines({"CPU": 1, "GPU": 1}, 2)
    assert outcomes(start(cluster, tmp_path, 12, gpus=1)) == all_done(12)
    assert 1 <= len(faults.machines_of(tmp_path)) <= 2


def test_a_lost_machine_costs_only_its_shards_and_a_late_one_is_used(
    machines: Make, tmp_path: Path
) -> None:
    cluster = machines()
    first = cluster.add(cpus=1)
    driver = start(cluster, tmp_path, 60, gpus=0)
    until(lambda: len(faults.machines_of(tmp_path)) == 1, "the first machine's work")
    cluster.add(cpus=1)
    until(lambda: len(faults.machines_of(tmp_path)) == 2, "the late machine's work")
    cluster.kill(first)
    assert outcomes(driver) == all_done(60)
    assert len(faults.contents(tmp_path)) == 60


def test_a_machine_without_the_run_folder_costs_its_actor_alone(
    machines: Make, tmp_path: Path
) -> None:
    cluster = machines()
    cluster.add(cpus=1)
    driver = start(cluster, tmp_path, 60, gpus=0)
    until(lambda: faults.machines_of(tmp_path), "the first machine's work")
    cluster.add(cpus=1, LACKS_A_MOUNT="1")
    until((tmp_path / "marks" / "refused").exists, "the second machine's refusal")
    results, log = outcomes_and_log(driver)
    assert results == all_done(60)
    assert len(faults.machines_of(tmp_path)) == 1
    assert "goes on without one of its actors" in log
    assert "the run folder is not there" in log
