"""Ray actors: the `Backend` of the pool, and the code that runs in each actor's process."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError

from pipeline.executors.base import Attempt, attempt_setup, attempt_task
from pipeline.executors.pool import ActorDied
from pipeline.executors.ray.cluster import free_resources, refuse_dead_node
from pipeline.registry import allow_code, code_allowed
from pipeline.stage import Resources, Stage, Task


class _Actor:
    """Runs in the process of an actor."""

    def __init__(self, stage: Stage[Any], may_import: bool) -> None:  # noqa: FBT001 - Ray passes it
        allow_code(allowed=may_import)
        self._stage = stage

    def setup(self) -> Attempt:
        return attempt_setup(self._stage)

    def run(self, task: Task) -> Attempt:
        return attempt_task(self._stage, task)


class RayActors:
    """The `Backend` that runs a stage's actors on Ray."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._stage = ray.put(stage)
        remote: Any = ray.remote(_Actor)
        self._remote = remote.options(**_actor_options(stage.resources))

    def start(self) -> tuple[Any, Any]:
        """See `Backend`."""
        actor = self._remote.remote(self._stage, code_allowed())
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
            raise ActorDied(shorten(error), str(error)) from error
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


def _actor_options(needs: Resources) -> dict[str, object]:
    """Resources, and thread counts, which must be set before the libraries are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    threads = dict.fromkeys(names, str(needs.threads))
    return {
        "num_cpus": needs.cpus,
        "num_gpus": needs.gpus,
        "max_restarts": 0,
        "runtime_env": {"env_vars": {**threads, "PYTHONPATH": os.pathsep.join(_project_paths())}},
    }


def _project_paths() -> list[str]:
    """The driver's module paths other than those of its Python installation, in order."""
    installed = tuple(f"{prefix}{os.sep}" for prefix in (sys.prefix, sys.base_prefix))
    paths = [str(Path(entry).absolute()) for entry in sys.path]
    return [path for path in paths if not path.startswith(installed)]
