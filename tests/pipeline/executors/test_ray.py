"""The Ray executor starts what it needs, and afterwards everything is as it was before."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import ray

from pipeline.errors import ConfigError, RunError
from pipeline.executors.ray.actors import shorten
from pipeline.executors.ray.cluster import local_token
from pipeline.executors.ray.executor import RayExecutor
from pipeline.executors.ray.reachable import refuse_silent
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

ONE_TASK = """
import sys
from pathlib import Path
from pipeline.errors import GoldenseedError
from pipeline.executors.ray.executor import RayExecutor
from tests.pipeline import faults

try:
    for outcome in RayExecutor(1).run(faults.Stub(Path(sys.argv[1])), faults.items(1)):
        print("error:", outcome.error or "none")
except GoldenseedError as error:
    print(type(error).__name__, error)
"""

LISTENING = """
import os, sys
from contextlib import nullcontext
import psutil
from pipeline.executors.ray import cluster

if sys.argv[1] == "open":
    cluster._on_loopback = nullcontext
with cluster.cluster(1):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    ports = [port for process in processes for port in process.net_connections("inet")]
    print(*{port.laddr.ip for port in ports if port.status == psutil.CONN_LISTEN})
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


def listening(root: Path, how: str) -> set[str]:
    """The addresses at which a Ray of our own listens."""
    pytest.importorskip("psutil")
    script = [sys.executable, "-c", LISTENING, how]
    out = subprocess.run(script, cwd=root, capture_output=True, text=True, check=True).stdout
    return {address.removeprefix("::ffff:") for address in out.split()}


def test_a_ray_of_our_own_cannot_be_reached_from_the_network(root: Path) -> None:
    assert listening(root, "closed") == {"127.0.0.1"}
    assert listening(root, "open") - {"127.0.0.1"}, "the negative control listens on loopback alone"


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


@pytest.mark.parametrize("broken", ["ray.init", "pipeline.executors.ray.cluster.refuse_silent"])
def test_a_cluster_that_does_not_answer_is_named(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setattr("pipeline.executors.ray.cluster.refuse_silent", lambda _address: None)
    monkeypatch.setattr(broken, refuse)
    with pytest.raises(RunError, match=r"answers at RAY_ADDRESS=192.0.2.1:6379: no answer; .*"):
        next(RayExecutor(1).run(faults.Stub(tmp_path), faults.items(1)))
    assert os.environ["RAY_ADDRESS"] == "192.0.2.1:6379"
    assert "RAY_AUTH_TOKEN" not in os.environ


class Server:
    """Answers each connection with the same bytes, as something that is not Ray would."""

    def __init__(self, answer: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_not_ray_is_found_out(answer: bytes) -> None:
    server = Server(answer)
    with pytest.raises(ConnectionError, match=f"{server.address}: .*not Ray"):
        refuse_silent(server.address, patience_s=0)
    server.close()


def test_a_port_that_is_closed_is_found_out() -> None:
    server = Server(b"")
    server.close()
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=r"refused|reset"):
        refuse_silent(f"ray://{server.address}", patience_s=1)
    assert time.monotonic() - start < 10


def test_a_server_that_speaks_rays_protocol_is_not_refused() -> None:
    server = Server(bytes.fromhex("000000040000000000"))
    refuse_silent(server.address, patience_s=0)
    server.close()


@pytest.mark.parametrize("address", ["head", "head:", "head:x", "ray://head"])
def test_an_address_without_a_port_is_named(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(RunError, match=f"answers at RAY_ADDRESS={address}: "):
        next(RayExecutor(1).run(faults.Stub(tmp_path), faults.items(1)))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path that is short enough for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="gs", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def one_task(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run one task on Ray in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", ONE_TASK, folder / "run"],
        env={**clean, "RAY_USAGE_STATS_ENABLED": "0", **environment},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("address", [{}, {"RAY_ADDRESS": "local"}, {"RAY_ADDRESS": ""}])
def test_the_address_file_of_ray_start_is_not_followed(
    short: Path, address: dict[str, str]
) -> None:
    (short / "ray").mkdir()
    (short / "ray" / "ray_current_cluster").write_text("127.0.0.1:6399")
    done = one_task(short, RAY_TMPDIR=str(short), **address)
    assert done.stdout.split() == ["error:", "none"], done.stderr


def test_a_folder_in_which_ray_cannot_start_is_told_in_words(short: Path) -> None:
    long = short / ("x" * (90 - len(str(short))))
    long.mkdir()
    done = one_task(short, RAY_TMPDIR=str(long))
    assert "RunError Ray does not start on this machine" in done.stdout, done.stderr
    assert "set RAY_TMPDIR" in done.stdout


def test_long_errors_are_cut_to_what_happened() -> None:
    text = "The actor died.\n\tclass_name: X\nIts worker process has died. Worker exit type: ..."
    assert shorten(ray.exceptions.RayError(text)) == "Its worker process has died"
    assert "use fewer workers" in shorten(ray.exceptions.OutOfMemoryError("a long story"))
    assert shorten(ray.exceptions.RayError("")) == "RayError"


def test_a_process_has_one_long_token() -> None:
    token = local_token()
    assert len(token) == 64
    assert local_token() == token
