"""The Ray executor starts what it needs, and afterwards everything is as it was before."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from pipeline.errors import ConfigError, RunError
from pipeline.executors.ray.actors import shorten
from pipeline.executors.ray.cluster import local_token
from pipeline.executors.ray.executor import RayExecutor
from tests.pipeline import faults

IN_A_PROCESS = """
import json, os, signal, sys
from pathlib import Path
import ray
from pipeline.executors.ray.executor import RayExecutor
from tests.pipeline import faults

root = Path(sys.argv[1])
signal.signal(signal.SIGTERM, signal.default_int_handler)
before = dict(os.environ)
with RayExecutor(1) as executor:
    assert ray.is_initialized()
    first = [o.error for o in executor.run(faults.KillsItselfOnce(root), faults.items(3))]
    assert ray.is_initialized()
state = {
    "errors": first,
    "environment": dict(os.environ) == before,
    "handler": signal.getsignal(signal.SIGTERM) is signal.default_int_handler,
    "connected": ray.is_initialized(),
}
Path(sys.argv[2]).write_text(json.dumps(state))
"""

STOPPED = """
import signal, sys
from pathlib import Path
from pipeline.executors.base import make_executor
from tests.pipeline import faults

signal.signal(signal.SIGTERM, signal.default_int_handler)
endless = map(faults.Item, range(10**9))
for outcome in make_executor("ray", 1).run(faults.Stub(Path(sys.argv[1])), endless):
    print(outcome.task_id, flush=True)
"""


def test_everything_is_left_as_it_was(tmp_path: Path, root: Path) -> None:
    """The home folder is read-only, and Ray prints no line on the standard output."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    environment = {key: value for key, value in os.environ.items() if "RAY_AUTH" not in key}
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, tmp_path / "run", tmp_path / "state"],
        cwd=root,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state = json.loads((tmp_path / "state").read_text())
    assert state["errors"] == ["", "", ""]
    assert state["environment"]
    assert state["handler"]
    assert not state["connected"]
    assert done.stdout == ""
    assert list(home.iterdir()) == [], "a token was left in the home folder"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_driver_leaves_no_process(tmp_path: Path, root: Path, number: int) -> None:
    """SIGTERM ends the command as Ctrl-C does, although Ray has a handler of its own."""
    psutil = pytest.importorskip("psutil")
    driver = subprocess.Popen(
        [sys.executable, "-c", STOPPED, tmp_path],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert driver.stdout is not None
    assert driver.stdout.readline()
    children = psutil.Process(driver.pid).children(recursive=True)
    assert children
    driver.send_signal(number)
    driver.communicate(timeout=120)
    assert driver.returncode in {130, -signal.SIGINT}
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_workers_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="0 workers were asked for"):
        RayExecutor(0)


def test_a_cluster_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(RunError, match=r"answers at RAY_ADDRESS=192.0.2.1:6379: no answer; .*"):
        next(RayExecutor(1).run(faults.Stub(tmp_path), faults.items(1)))
    assert os.environ["RAY_ADDRESS"] == "192.0.2.1:6379"
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_long_errors_are_cut_to_what_happened() -> None:
    text = "The actor died.\n\tclass_name: X\nIts worker process has died. Worker exit type: ..."
    assert shorten(ray.exceptions.RayError(text)) == "Its worker process has died"
    assert "use fewer workers" in shorten(ray.exceptions.OutOfMemoryError("a long story"))
    assert shorten(ray.exceptions.RayError("")) == "RayError"


def test_a_process_has_one_long_token() -> None:
    token = local_token()
    assert len(token) == 64
    assert local_token() == token
