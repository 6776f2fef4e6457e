"""Kill the driver, or an actor, at any moment, give the same command again: the same result."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.failpoints import EXIT_CODE, FAILPOINTS
from pipeline.runs.run import Run

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 16}
seeds: {start: 0, count: 4}
tile: {seeds: 2, prompts: 2}
batch_size: 4
sampling: {num_inference_steps: 2}
"""
SHARDS = 16
MOMENTS = sorted(random.Random(20261121).sample(range(1, SHARDS - 2), 4))
"""Numbers of finished shards at which the process is stopped."""
ACTOR_MOMENTS = (2, 4, 8)
"""Numbers of newly finished shards at which an actor is killed; far enough apart that no task meets
all three deaths, after which it would be passed over."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kill") / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


class Driver:
    """The command in a process of its own, ended with the block at the latest."""

    def __init__(self, command: Path, recipe: Path, out: Path, *options: str) -> None:
        self.arguments = [command, "generate", recipe, "--out", out, *options]
        self.out = out

    def __call__(self, failpoint: str = "") -> "Driver":
        self.failpoint = failpoint
        return self

    def __enter__(self) -> "Driver":
        environment = {**os.environ, "GOLDENSEED_FAILPOINT": self.failpoint}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.arguments, env=environment, stdout=quiet, stderr=quiet)
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()

    def code(self) -> int:
        """How it ends by itself."""
        return self.process.wait(280)

    def stopped(self, number: int) -> int:
        """How it ends after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def wait_for_shards(self, count: int) -> None:
        while len(receipts(self.out)) < count:
            assert self.process.poll() is None, f"it ended before {count} shards were there"
            time.sleep(0.002)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def actors(self) -> list[psutil.Process]:
        """The oldest first, which is the one that has been at work for longest."""
        found = [child for child in self.children() if "_Actor" in _title(child)]
        return sorted(found, key=psutil.Process.create_time)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def receipts(out: Path) -> set[str]:
    """Names of the finished shards, without reading them."""
    return {path.stem for path in out.glob("receipts/images/*/[0-9a-f]*.json")}


def leftovers(out: Path) -> tuple[int, int]:
    """Numbers of data files and of receipts written aside, named by a receipt or not."""
    data = [*out.glob("images/*/*.parquet"), *out.glob("attempts/images/*/*.parquet")]
    return len(data), len(list(out.glob("receipts/images/*/.*")))


def finish(command: Path, recipe: Path, out: Path, *options: str) -> None:
    with Driver(command, recipe, out, *options)() as driver:
        assert driver.code() == 0


def contents(out: Path) -> dict[str, str]:
    """Shard -> content hash, every row read."""
    run = Run.open(out)
    for receipt in run.images.receipts():
        assert run.images.read(receipt).num_rows == receipt.rows
    return {receipt.shard_id: receipt.content_sha256 for receipt in run.images.receipts()}


@pytest.fixture(scope="module")
def wanted(command: Path, recipe: Path) -> dict[str, str]:
    """The shards of a run that nobody disturbs."""
    out = recipe.parent / "undisturbed"
    finish(command, recipe, out, "--executor", "local")
    found = contents(out)
    assert len(found) == SHARDS
    return found


def test_a_killed_or_stopped_driver_loses_nothing(
    command: Path, recipe: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    """Kill -9 at three random moments, Ctrl-C at the fourth."""
    out = tmp_path / "run"
    driver = Driver(command, recipe, out, "--executor", "local")
    stops = [*[(signal.SIGKILL, -signal.SIGKILL)] * 3, (signal.SIGINT, 130)]
    for moment, (number, code) in zip(MOMENTS, stops, strict=True):
        with driver():
            driver.wait_for_shards(moment)
            assert driver.stopped(number) == code
        there = contents(out)
        assert moment <= len(there) < SHARDS
        assert there.items() <= wanted.items()
    finish(command, recipe, out, "--executor", "local")
    assert contents(out) == wanted


def test_a_driver_that_dies_at_every_step_of_a_commit_loses_nothing(
    command: Path, recipe: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    """The first death leaves a run without shards, so that the others are in a shard's commit."""
    out = tmp_path / "run"
    driver = Driver(command, recipe, out, "--executor", "local")
    for name in FAILPOINTS:
        data, aside = leftovers(out)
        with driver(name):
            assert driver.code() == EXIT_CODE
        assert (out / "canary.json").exists(), f"{name}: it died before the first commit"
        left = (data + (name != "before_data"), aside + (name == "receipt_written"))
        assert leftovers(out) == left, name
        there = contents(out)
        assert len(there) == (name == "receipt_linked"), name
        assert there.items() <= wanted.items()
        assert [file for file in RunFolder(out).check() if file.problem] == [], name
        assert not list(out.glob("images/**/*.parquet")), "others see no attempt"
    attempts = len(FAILPOINTS) - 2  # all but the first, which left nothing, and the last
    finish(command, recipe, out, "--executor", "local")
    assert contents(out) == wanted
    seen = pl.read_parquet(out / "images/**/*.parquet")
    assert seen.select("prompt_id", "seed").n_unique() == seen.height == 4 * SHARDS
    assert len(RunFolder(out).leftovers()) == attempts + 1  # and a receipt written aside


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_killed_process_of_ray_is_told_in_words(
    command: Path, recipe: Path, tmp_path: Path, wanted: dict[str, str], name: str
) -> None:
    """Only the processes of this test's own Ray, which are children of its own driver."""
    out, words = tmp_path / "run", tmp_path / "words"
    arguments = [command, "generate", recipe, "--out", out, "--workers", "1"]
    with words.open("w") as stderr, subprocess.Popen(arguments, stderr=stderr) as process:
        while not receipts(out):
            assert process.poll() is None, words.read_text()
            time.sleep(0.002)
        children = psutil.Process(process.pid).children()
        next(child for child in children if child.name() == name).kill()
        assert process.wait(60) == 3
    assert f"Ray's process {name} on this machine has ended" in words.read_text()
    assert "repeat the command" in words.read_text()
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert contents(out).items() < wanted.items()
    finish(command, recipe, out, "--executor", "local")
    assert contents(out) == wanted


def test_a_killed_ray_driver_and_killed_actors_lose_nothing(
    command: Path, recipe: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    """First the driver, whose actors go with it; then an actor at each of three moments."""
    out = tmp_path / "run"
    driver = Driver(command, recipe, out, "--executor", "ray", "--workers", "2")
    with driver():
        driver.wait_for_shards(1)
        actors = driver.actors()
        assert actors
        assert driver.stopped(signal.SIGKILL) == -signal.SIGKILL
    assert psutil.wait_procs(actors, timeout=60)[1] == []
    killed: dict[int, int] = {}
    moments = [len(receipts(out)) + count for count in ACTOR_MOMENTS]
    with driver():
        for moment in moments:
            # Looked up before, since the moment does not wait for a walk through all processes.
            driver.wait_for_shards(moment - 1)
            actors = driver.actors()
            assert actors, f"no actor at {len(receipts(out))} shards; killed so far: {killed}"
            driver.wait_for_shards(moment)
            actor = actors[0]
            actor.kill()
            killed[actor.pid] = len(receipts(out))
            psutil.wait_procs([actor], timeout=60)
        assert driver.code() == 0
    assert len(killed) == len(ACTOR_MOMENTS)
    for moment, count in zip(moments, killed.values(), strict=True):
        assert moment <= count < SHARDS, killed
    assert contents(out) == wanted
