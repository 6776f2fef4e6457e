"""A Ray cluster of several raylets on this machine, in a folder and on a port of its own."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RAY = Path(sys.executable).with_name("ray")
STORE = 80 * 2**20
HEAD = "ray.head.default"
"""What Ray's simulated cloud calls the type of the head."""
EMPTY = (
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "initialization_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "cluster_synced_files",
    "rsync_exclude",
    "rsync_filter",
)
"""Parts of a cluster file that the simulated cloud wants, and does not use."""


class RayMachines:
    """Starts a head that does no work, and machines that join it.

    Nothing here stops or looks for any other Ray of the machine: each process is started in a
    session of its own, and ended by its number.

    Args:
        folder: A folder with a short path.
        cloud: Resources of the machines that an autoscaler may start, and how many; None for no
            autoscaler.
        cpus: CPU cores of the head.
        jobs: Whether the head has a job server, which needs `ray[default]`; without a token.
        token: Whether the cluster wants a token.
    """

    def __init__(
        self,
        folder: Path,
        cloud: tuple[Mapping[str, int], int] | None = None,
        *,
        cpus: int = 0,
        jobs: bool = False,
        token: bool = True,
    ) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.host = _own_address()
        self.address = f"{self.host}:{_free_port()}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "RAY_AUTH_MODE": "token" if token and not jobs else "disabled",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }
        port = self.address.rpartition(":")[2]
        options = ["--head", f"--port={port}", f"--num-cpus={cpus}"]
        options.append(f"--include-dashboard={str(jobs).lower()}")
        if jobs:
            dashboard = _free_port()
            self.dashboard = f"http://127.0.0.1:{dashboard}"
            options += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
        if cloud is not None:
            options.append(f"--autoscaling-config={self._simulated_cloud(*cloud)}")
        self._start(*options, f"--temp-dir={folder / 'r'}")
        self._wait_for_head(self.address)
        if jobs:
            self._wait_for_head(f"127.0.0.1:{dashboard}")

    def add(self, cpus: int, **environment: str) -> "subprocess.Popen[bytes]":
        """Let a machine join; the process that is returned ends with it."""
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}", **environment)

    def kill(self, machine: "subprocess.Popen[bytes]") -> None:
        """End a machine at once, with all its processes."""
        os.killpg(machine.pid, signal.SIGKILL)
        machine.wait(timeout=30)

    def close(self) -> None:
        """End all machines."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill(process)

    def _start(self, *options: str, **environment: str) -> "subprocess.Popen[bytes]":
        command = [str(RAY), "start", "--block", f"--object-store-memory={STORE}", *options]
        with (self._folder / f"{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _wait_for_head(self, address: str) -> None:
        until = time.monotonic() + 120
        host, port = address.split(":")
        while time.monotonic() < until:
            try:
                return socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(0.5)
        raise TimeoutError(f"no head; see {self._folder}")

    def _simulated_cloud(self, resources: Mapping[str, int], most: int) -> Path:
        machine = {**resources, "object_store_memory": STORE}
        config: dict[str, Any] = {
            "cluster_name": "simulated",
            "max_workers": most,
            "idle_timeout_minutes": 60,
            "provider": {
                "type": "fake_multinode",
                "gcs_address": self.address,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "auth": {"ssh_user": "nobody"},
            **{key: {} for key in ("file_mounts", "docker")},
            **{key: [] for key in EMPTY},
            "file_mounts_sync_continuously": False,
            "head_node_type": HEAD,
            "available_node_types": {
                HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                "worker": {"resources": machine, "node_config": {}, "max_workers": most},
            },
        }
        path = self._folder / "cloud.json"
        path.write_text(json.dumps(config))
        return path


def _own_address() -> str:
    """The address that Ray gives to this machine; its simulated cloud knows no other."""
    import ray.util

    return ray.util.get_node_ip_address()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
