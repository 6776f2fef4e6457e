"""Connects to a Ray cluster, or starts a local one and stops it again."""

import functools
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants, worker
from ray.exceptions import RayError
from ray.job_config import JobConfig

from pipeline.errors import IncompleteError, RunError
from pipeline.executors.ray.reachable import refuse_silent

OBJECT_STORE_BYTES = 100 * 2**20
"""Object store of a local cluster, near Ray's minimum: only tasks and outcomes pass through it."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",
}
"""No usage report; no warning about the meaning of `num_gpus=0` in a later Ray; no idle
processes, which our actors could not use, since each has its own environment; and actors of the
command's own priority: with Ray's niceness of 15, a busy machine slowed them tenfold."""

logger = logging.getLogger(__name__)


@contextmanager
def cluster(cpus: int) -> Iterator[None]:
    """Be connected inside the block; afterwards stop and restore what was changed for it."""
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    before = dict(os.environ)
    try:
        with _quiet():
            _connect(cpus)
            if main:
                # ray.init replaces the handler of SIGTERM, with which the command ends.
                signal.signal(signal.SIGTERM, handler)
            yield
    finally:
        ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, handler)
        _restore(before)


def is_joined() -> bool:
    """Whether the actors live on the cluster of RAY_ADDRESS, which other machines may join."""
    return _address() != "local"


def machines_of_cluster() -> list[dict[str, float]]:
    """The resources of each machine that is alive."""
    return [node["Resources"] for node in _ray("nodes") if node["Alive"]]


def free_resources() -> str:
    """Describe in words what is free for actors."""
    resources = _ray("available_resources")
    return f"{resources.get('CPU', 0):g} CPU cores and {resources.get('GPU', 0):g} GPUs"


def refuse_dead_node() -> None:
    """Stop if a process of our own Ray has ended: Ray would soon end this process, too.

    Raises:
        IncompleteError: If one has. Ray is left as it is, since to shut it down would hang.
    """
    node: Any = worker._global_node
    dead = [name for name, _ in node.dead_processes()] if node is not None else []
    if not dead:
        return
    node.kill_all_processes(check_alive=False, allow_graceful=False)
    raise IncompleteError(
        f"Ray's process {dead[0]} on this machine has ended: somebody killed it, or the machine "
        f"ran out of memory. What is committed is kept; repeat the command to continue, with fewer "
        f"workers if memory was short"
    )


def _ray(question: str) -> Any:  # noqa: ANN401 - Ray states no types here
    return getattr(ray, question)()


class _NoFolders(JobConfig):
    """Keeps Ray from putting the current folder first in the actors' module path.

    Another project's `analysis` or `pipeline` in that folder would be imported instead of ours.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what Ray prints about dead processes to the debug log.

    Ray prints it to the standard output, whatever `log_to_driver` says, and a program may be
    reading our results there. The driver logs by itself what became of each task.
    """
    module, name = sys.modules["ray._private.worker"], "print_to_stdstream"
    original = getattr(module, name, None)
    if original is None:
        yield
        return
    setattr(module, name, _to_debug_log)
    try:
        yield
    finally:
        setattr(module, name, original)


def _to_debug_log(data: Mapping[str, Any], ignore_prefix: bool) -> None:  # noqa: FBT001 - Ray calls it so
    for line in data.get("lines", ()):
        logger.debug("ray: %s", line)


def _connect(cpus: int) -> None:
    os.environ.update(SETTINGS)
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "job_config": _NoFolders(),
    }
    address = _address()
    if address == "local":
        _start(cpus, options)
    else:
        _join(address, options)


def _address() -> str:
    return os.environ.get("RAY_ADDRESS") or "local"


def _join(address: str, options: Mapping[str, Any]) -> None:
    """Connect to the cluster of RAY_ADDRESS."""
    try:
        refuse_silent(address)
        ray.init(address=address, **options)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise RunError(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {error}; "
            "start one (ray up cluster/aws.yaml), or unset RAY_ADDRESS to run on this machine"
        ) from error


def _start(cpus: int, options: Mapping[str, Any]) -> None:
    """Start a cluster of our own, whatever `ray start` has left on this machine."""
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")):
        os.environ.setdefault("RAY_AUTH_TOKEN", local_token())
    try:
        with _on_loopback():
            ray.init(
                address="local",
                num_cpus=max(cpus, len(os.sched_getaffinity(0))),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **options,
            )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise RunError(
            f"Ray does not start on this machine: {error}. It keeps its sockets in a folder that "
            f"must be writable and have a short path (at most 35 characters): set RAY_TMPDIR to "
            f"such a folder, or give --executor local"
        ) from error


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a Ray that is started inside the block listen on 127.0.0.1 alone.

    Whoever reaches Ray's ports may run code. Ray keeps to the loopback address where it cannot form
    clusters, and these two settings say so; its `_node_ip_address` does not do it.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@functools.cache
def local_token() -> str:
    """The token of this process for its local cluster.

    Ray would write a token into the home folder, which others can read if the umask is 022, and
    would fail if the home folder is read-only.
    """
    return secrets.token_hex(32)


def _restore(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
