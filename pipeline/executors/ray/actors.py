"""Ray actors: the `Backend` of the pool, and the code that runs in each actor's process."""

import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError

from pipeline.errors import IncompleteError
from pipeline.executors.base import Attempt, Machine, attempt_setup, attempt_task
from pipeline.executors.overlap import AT_ONCE, begin_task, overlaps
from pipeline.executors.pool.backend import ActorDied, Room
from pipeline.executors.ray.cluster import free_resources, machines_of_cluster, refuse_dead_node
from pipeline.executors.ray.machines import count_workers, no_machine
from pipeline.executors.ray.metrics import ActorMetrics
from pipeline.registry import allow_code, code_allowed
from pipeline.stage import Resources, Stage, Task

JOIN_PATIENCE = 15 * 60.0
"""Seconds for which a run waits for a machine that fits its actors. Clouds need 3 to 8 minutes."""

MACHINE_GONE = re.compile(r"node (has died|was terminated)")
"""What Ray says of an actor whose machine was taken back, failed, or left the network."""


class _Actor:
    """Runs in the process of an actor."""

    def __init__(self, stage: Stage[Any], may_import: bool) -> None:  # noqa: FBT001 - Ray passes it
        allow_code(allowed=may_import)
        self._stage = stage
        # Ray calls an actor of several concurrent calls from several threads; the device is used
        # by one.
        self._device = ThreadPoolExecutor(1, "device")
        self._metrics = ActorMetrics(stage.name)

    def setup(self) -> Attempt:
        machine = Machine(socket.gethostname(), ray.get_runtime_context().get_node_id())
        return replace(self._device.submit(attempt_setup, self._stage).result(), machine=machine)

    def run(self, task: Task) -> Attempt:
        if overlaps(self._stage):
            attempt = self._device.submit(begin_task, self._stage, task).result()()
        else:
            attempt = self._device.submit(attempt_task, self._stage, task).result()
        self._metrics.record(attempt.outcome)
        return attempt


class RayActors:
    """The `Backend` that runs a stage's actors on Ray.

    Args:
        stage: The stage.
        workers: Number of actors; None for as many as fit the machines.
        joins: Whether machines may join the cluster later.
    """

    def __init__(self, stage: Stage[Any], workers: int | None, *, joins: bool) -> None:
        self._name, self._needs = stage.name, stage.resources
        self._workers = workers
        self._joins = joins
        self._shunned: list[str] = []
        self._seen_at = time.monotonic()
        self._stage = ray.put(stage)
        remote: Any = ray.remote(_Actor)
        self.at_once = AT_ONCE if overlaps(stage) else 1
        self._remote = remote.options(**_actor_options(stage.resources, self.at_once))

    def room(self) -> Room:
        """See `Backend`.

        Where machines may join, twice as many actors are asked for as fit, and at least one: an
        autoscaler adds machines only for actors that wait for them.

        Raises:
            IncompleteError: If no machine that fits an actor has been there for a long time.
        """
        fitting = count_workers(self._needs, machines_of_cluster())
        if fitting:
            self._seen_at = time.monotonic()
        elif time.monotonic() - self._seen_at > JOIN_PATIENCE:
            raise IncompleteError(no_machine(self._name, self._needs, JOIN_PATIENCE))
        if self._workers is not None:
            return Room(min(fitting, self._workers), self._workers)
        return Room(fitting, max(1, 2 * fitting) if self._joins else fitting)

    def shun(self, machine: Machine) -> None:
        """See `Backend`."""
        self._shunned.append(machine.id)

    def start(self) -> tuple[Any, Any]:
        """See `Backend`."""
        remote = self._remote
        if self._shunned:
            others = f"!in({','.join(self._shunned)})"
            remote = remote.options(label_selector={"ray.io/node-id": others})
        actor = remote.remote(self._stage, code_allowed())
        return actor, actor.setup.remote()

    def submit(self, actor: Any, task: Task) -> Any:  # noqa: ANN401 - Ray has no types for them
        """See `Backend`."""
        return actor.run.remote(task)

    def wait(self, tickets: Sequence[Any]) -> Any | None:  # noqa: ANN401
        """See `Backend`."""
        refuse_dead_node()
        done, _ = ray.wait(list(tickets), timeout=1.0)
        return done[0] if done else None

    def answer(self, ticket: Any) -> Attempt:  # noqa: ANN401
        """See `Backend`."""
        try:
            attempt: Attempt = ray.get(ticket)
        except RayError as error:
            gone = bool(MACHINE_GONE.search(str(error)))
            raise ActorDied(shorten(error), str(error), with_machine=gone) from error
        return attempt

    def kill(self, actor: Any) -> None:  # noqa: ANN401
        """See `Backend`."""
        ray.kill(actor)

    def free(self) -> str:
        """See `Backend`."""
        return free_resources()


def shorten(error: RayError) -> str:
    """Shorten Ray's long error texts, whose last line says what happened and then gives advice."""
    if isinstance(error, OutOfMemoryError):
        return "Ray ended it because the machine ran out of memory; use fewer workers"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].split(". ")[0] if lines else type(error).__name__


def _actor_options(needs: Resources, at_once: int) -> dict[str, object]:
    """Resources, and thread counts, which must be set before the libraries are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    threads = dict.fromkeys(names, str(needs.threads))
    return {
        "num_cpus": needs.cpus,
        "num_gpus": needs.gpus,
        "memory": needs.memory or None,
        "max_restarts": 0,
        "max_concurrency": at_once,
        "runtime_env": {"env_vars": {**threads, "PYTHONPATH": os.pathsep.join(_project_paths())}},
    }


def _project_paths() -> list[str]:
    """The driver's module paths other than those of its Python installation, in order."""
    installed = tuple(f"{prefix}{os.sep}" for prefix in (sys.prefix, sys.base_prefix))
    paths = [str(Path(entry).absolute()) for entry in sys.path]
    return [path for path in paths if not path.startswith(installed)]
