"""Processes that work on one run share its shards, and the claims of ended ones do not count."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from pipeline.runs import drivers
from pipeline.runs.drivers import SILENT_S, Claims, Driver
from pipeline.storage.local_store import LocalStore


@dataclass(frozen=True)
class Job:
    id: str


JOBS = [Job(name) for name in "abcdef"]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def claims_of(store: LocalStore, heard: list[str] | None = None, step: str = "draw") -> Claims:
    return Claims(store, step, recipe="mine", tell=(heard if heard is not None else []).append)


def other(store: LocalStore, **changes: object) -> Driver:
    """A driver of another process, with its file and a claim on `a`."""
    driver = replace(Driver.this("theirs"), **changes)
    store.replace(driver.key, json.dumps(asdict(driver)).encode())
    store.replace("drivers/claims/draw-a", driver.id.encode())
    return driver


def test_two_processes_share_the_tasks_and_tell_each_other(store: LocalStore) -> None:
    heard: tuple[list[str], list[str]] = [], []
    with claims_of(store, heard[0]) as first, claims_of(store, heard[1]) as second:
        ours, theirs = first.unclaimed(JOBS), second.unclaimed(JOBS)
        taken = [next(ours), next(theirs), next(ours), next(theirs)]
        assert [job.id for job in taken] == ["a", "b", "c", "d"]
        assert first.elsewhere == ["b"]
        assert second.elsewhere == ["a", "c"]
    assert f"process {os.getpid()} on" in heard[0][0]
    assert "works on this run, too" in heard[1][0]
    assert [len(texts) for texts in heard] == [1, 1]


def test_a_released_task_is_free_again_and_nothing_stays(store: LocalStore) -> None:
    with claims_of(store) as first, claims_of(store) as second:
        assert list(first.unclaimed(JOBS[:1])) == JOBS[:1]
        assert list(second.unclaimed(JOBS[:1])) == []
        first.release("a")
        second.wait()
        assert list(second.unclaimed(JOBS[:1])) == JOBS[:1]
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_steps_have_claims_of_their_own(store: LocalStore) -> None:
    with claims_of(store) as first, claims_of(store, step="measure") as second:
        assert list(first.unclaimed(JOBS)) == list(second.unclaimed(JOBS)) == JOBS


def test_a_process_waits_for_the_tasks_of_another(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claims_of(store) as first, claims_of(store) as second:
        list(first.unclaimed(JOBS[:1]))
        list(second.unclaimed(JOBS[:1]))
        looks: list[float] = []

        def sleep(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                first.release("a")

        monkeypatch.setattr(time, "sleep", sleep)
        second.wait()
    assert len(looks) == 3


def test_a_killed_process_blocks_nobody(store: LocalStore) -> None:
    """A real process is killed between claiming and releasing."""
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tests.pipeline.runs.test_drivers import JOBS, LocalStore, claims_of\n"
        "with claims_of(LocalStore(Path(sys.argv[1]))) as claims:\n"
        "    list(claims.unclaimed(JOBS))\n    print('claimed', flush=True)\n    time.sleep(600)\n"
    )
    words = [sys.executable, "-c", script, str(store.root)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"claimed\n"
        heard: list[str] = []
        with claims_of(store, heard) as claims:
            assert list(claims.unclaimed(JOBS)) == []
        assert f"process {process.pid} on" in heard[0]
        process.kill()
        process.wait()
    heard = []
    with claims_of(store, heard) as claims:
        assert list(claims.unclaimed(JOBS)) == JOBS
    assert heard == []
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_process_id_that_is_used_again_is_another_process(store: LocalStore) -> None:
    other(store, began="1")
    with claims_of(store) as claims:
        assert list(claims.unclaimed(JOBS)) == JOBS


@pytest.mark.parametrize("system", ["another machine", ""])
@pytest.mark.parametrize(("silent", "counts"), [(0.0, True), (SILENT_S + 60, False)])
def test_a_process_on_another_machine_counts_while_it_gives_signs_of_life(
    store: LocalStore,
    system: str,
    silent: float,
    counts: bool,  # noqa: FBT001
) -> None:
    driver = other(store, system=system, pid=1, began="1", host="far")
    last = time.time() - silent
    os.utime(store.path(driver.key), (last, last))
    heard: list[str] = []
    with claims_of(store, heard) as claims:
        taken = [job.id for job in claims.unclaimed(JOBS)]
    assert taken == [job.id for job in JOBS if job.id != "a" or not counts]
    assert bool(heard) is counts


def test_signs_of_life_are_given(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "HEARTBEAT_S", 0.01)
    with claims_of(store) as claims:
        path = store.path(claims._driver.key)
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 30
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"id": 1}', b"\xff"])
def test_a_damaged_file_of_a_process_blocks_nobody(store: LocalStore, text: bytes) -> None:
    driver = other(store)
    store.replace(driver.key, text)
    store.replace("drivers/claims/draw-b", b"\xff")
    with claims_of(store) as claims:
        assert list(claims.unclaimed(JOBS)) == JOBS
