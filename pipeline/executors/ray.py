"""Ray actors: one per worker, each with its own process and, if the stage asks, its own GPU.

This is the only file that imports Ray. Actors commit their own results and return a few numbers,
so nothing large passes through the object store, and neither it nor the driver grows with the
grid.

If RAY_ADDRESS is set, the actors live on that cluster. Otherwise a local cluster is started and
stopped again, with a token that only this process and its children know.
"""

import functools
import itertools
import logging
import math
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import ray
from ray.exceptions import OutOfMemoryError, RayError
from ray.job_config import JobConfig

from pipeline.errors import ConfigError, RunError
from pipeline.executors.base import Attempt, Ledger, attempt_setup, attempt_task
from pipeline.executors.pool import ActorDied, Pool, check_machines, count_workers
from pipeline.stage import Outcome, Resources, Stage, Task

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

T = TypeVar("T", bound=Task)


class RayExecutor:
    """Runs a stage on Ray actors.

    As a context manager it keeps a local cluster from one run to the next, because a start takes
    seconds; otherwise each run starts and stops its own. A cluster that ran before stays as it was.

    Args:
        workers: Number of actors; None for as many as fit the machines.

    Raises:
        ConfigError: If `workers` is not positive.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"{workers} workers were asked for; at least 1 is needed")
        self.workers = workers
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Connect to a cluster until the end of the block."""
        self._open.enter_context(_cluster(self.workers or 1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect, and stop the cluster if it was started here."""
        self._open.close()

    def run(self, stage: Stage[T], tasks: Iterable[T]) -> Iterator[Outcome]:
        """Yield one outcome per task, in the order in which they finish.

        A fatal outcome is the last one. Whatever ends the loop, including Ctrl-C, ends the actors.

        Raises:
            ModelError: If an actor needs more GPUs than any machine has.
            RunError: If the cluster of RAY_ADDRESS does not answer, or an actor needs more
                CPU cores than any machine has.
        """
        tasks = iter(tasks)
        first = list(itertools.islice(tasks, 1))
        if not first:
            return
        wanted = math.ceil((self.workers or 1) * stage.resources.cpus)
        with _cluster(wanted):
            machines = _machines()
            check_machines(stage.name, stage.resources, machines)
            workers = self.workers or count_workers(stage.resources, machines)
            first += itertools.islice(tasks, workers - 1)
            ledger = Ledger(itertools.chain(first, tasks))
            pool = Pool(stage.name, _Actors(stage), ledger, len(first))
            try:
                yield from pool.outcomes()
            finally:
                pool.close()


class _Actor:
    """Runs in the process of an actor."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._stage = stage

    def setup(self) -> Attempt:
        return attempt_setup(self._stage)

    def run(self, task: Task) -> Attempt:
        return attempt_task(self._stage, task)


class _Actors:
    """The `Backend` that runs a stage's actors on Ray."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._stage = ray.put(stage)
        remote: Any = ray.remote(_Actor)
        self._remote = remote.options(**_actor_options(stage.resources))

    def start(self) -> tuple[Any, Any]:
        actor = self._remote.remote(self._stage)
        return actor, actor.setup.remote()

    def submit(self, actor: Any, task: Task) -> Any:  # noqa: ANN401 - Ray has no types for them
        return actor.run.remote(task)

    def wait(self, tickets: Sequence[Any]) -> Any | None:  # noqa: ANN401
        done, _ = ray.wait(list(tickets), timeout=1.0)
        return done[0] if done else None

    def answer(self, ticket: Any) -> Attempt:  # noqa: ANN401
        try:
            attempt: Attempt = ray.get(ticket)
        except RayError as error:
            raise ActorDied(_in_short(error), str(error)) from error
        return attempt

    def kill(self, actor: Any) -> None:  # noqa: ANN401
        ray.kill(actor)

    def free(self) -> str:
        return _in_words(_ray("available_resources"))


def _in_short(error: RayError) -> str:
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


class _NoFolders(JobConfig):
    """Keeps Ray from putting the current folder first in the actors' module path.

    Another project's `analysis` or `pipeline` in that folder would be imported instead of ours.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _machines() -> list[dict[str, float]]:
    return [node["Resources"] for node in _ray("nodes") if node["Alive"]]


def _ray(question: str) -> Any:  # noqa: ANN401 - Ray states no types here
    return getattr(ray, question)()


def _in_words(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPU cores and {resources.get('GPU', 0):g} GPUs"


@contextmanager
def _cluster(cpus: int) -> Iterator[None]:
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
    address = os.environ.get("RAY_ADDRESS")
    if address:
        try:
            ray.init(**options)
        except (OSError, RuntimeError, ValueError, RayError) as error:
            raise RunError(
                f"no Ray cluster answers at RAY_ADDRESS={address}: {error}; "
                "start one (ray up ray_cluster.yaml), or unset RAY_ADDRESS to run on this machine"
            ) from error
        return
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")):
        os.environ.setdefault("RAY_AUTH_TOKEN", _token())
    ray.init(
        num_cpus=max(cpus, len(os.sched_getaffinity(0))),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        **options,
    )


@functools.cache
def _token() -> str:
    """The token of this process for its local cluster.

    Ray would write a token into the home folder, which others can read if the umask is 022, and
    would fail if the home folder is read-only.
    """
    return secrets.token_hex(32)


def _restore(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
