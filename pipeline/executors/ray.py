"""Ray actors: one per worker, each with its own process and, if the stage asks, its own GPU.

The only file that imports Ray. The driver hands an actor a task when it is free, and one more
ahead where tasks are so short that the way to the driver would show. Actors commit their own
results and return a few numbers, so nothing big passes through the object store, and neither
it nor the driver grows with the grid. A dead actor is replaced and its tasks are done again.

With RAY_ADDRESS set the actors live on that cluster; otherwise a local one is started and
stopped again, with a token that only this process and its children know.
"""

import functools
import itertools
import logging
import math
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.errors import ConfigError, ModelError, RunError
from pipeline.executors.base import ATTEMPTS, Attempt, Ledger, attempt_setup, attempt_task
from pipeline.stage import Outcome, Resources, Stage, Task

AHEAD_BELOW = 1.0
"""Seconds of a task below which an actor gets one more ahead. The way to the driver takes
about a millisecond; a task that waits behind a long one is lost to the actors that are free."""

DEATHS = 9
"""Actors in a row that die on one worker's tasks before the worker is given up: three tasks
that each kill their process three times are passed over, a broken machine is not kept busy."""

PATIENCE = 120.0
"""Seconds without any actor ready after which a message says so."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Object store of a local cluster, near Ray's minimum: only tasks and outcomes pass."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""No usage report; and no warning about the meaning of `num_gpus=0` in a later Ray."""

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Task)


class RayExecutor:
    """Runs a stage on Ray actors.

    As a context manager it keeps a local cluster between two runs (starting one takes
    seconds); without, each run starts and stops its own. A cluster that was there before is
    left as it was.

    Args:
        workers: Actors at work at once. None: as many as fit the machines.

    Raises:
        ConfigError: If `workers` is not positive.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"{workers} workers were asked for; at least 1 is needed")
        self.workers = workers
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Connect, and stay connected until the end of the block."""
        self._open.enter_context(_cluster(self.workers or 1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started."""
        self._open.close()

    def run(self, stage: Stage[T], tasks: Iterable[T]) -> Iterator[Outcome]:
        """Yield one outcome per task, in the order in which they finish.

        A fatal outcome is the last one. Whatever ends the loop (Ctrl-C, too) ends the actors.

        Raises:
            ModelError: If an actor wants more GPUs than any machine has.
            RunError: If the cluster of RAY_ADDRESS does not answer, or an actor wants more
                CPU cores than any machine has.
        """
        tasks = iter(tasks)
        first = list(itertools.islice(tasks, 1))
        if not first:
            return
        wanted = math.ceil((self.workers or 1) * stage.resources.cpus)
        with _cluster(wanted):
            workers = self.workers or _places(stage.resources)
            _check_machines(stage)
            first += itertools.islice(tasks, workers - 1)
            pool = _Pool(stage, Ledger(itertools.chain(first, tasks)), len(first))
            try:
                yield from pool.outcomes()
            finally:
                pool.close()


class _Actor:
    """What runs in an actor's process."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._stage = stage

    def setup(self) -> Attempt:
        return attempt_setup(self._stage)

    def run(self, task: Task) -> Attempt:
        return attempt_task(self._stage, task)


@dataclass
class _Slot(Generic[T]):
    """One worker: an actor now, its replacement later.

    Attributes:
        actor: Handle of the actor.
        setup: Reference of its setup until that has returned.
        work: References and tasks handed to it, the one in work first.
        setups: Setups in a row that failed.
        deaths: Actors in a row that died on a task.
    """

    actor: Any
    setup: Any
    work: deque[tuple[Any, T]] = field(default_factory=deque)
    setups: int = 0
    deaths: int = 0

    @property
    def awaited(self) -> Any:  # noqa: ANN401 - Ray's references have no type
        """The reference that comes next, or None: an actor answers in order."""
        if self.setup is not None:
            return self.setup
        return self.work[0][0] if self.work else None


class _Pool(Generic[T]):
    """The actors of one stage and what they are at."""

    def __init__(self, stage: Stage[T], ledger: Ledger[T], workers: int) -> None:
        self._stage = stage
        self._ledger = ledger
        self._seconds = math.inf
        self._stage_ref = ray.put(stage)
        self._remote = ray.remote(_Actor).options(**_actor_options(stage.resources))
        self._slots = [_Slot[T](*self._new_actor()) for _ in range(workers)]
        self._error = ""

    def outcomes(self) -> Iterator[Outcome]:
        """Hand out tasks and yield outcomes until none is left or one is fatal."""
        patience = _Patience(self._stage)
        while not self._finished():
            if not self._slots:
                yield Outcome(self._some_task_id(), error=self._error, fatal=True)
                return
            patience.check(ready=any(slot.setup is None for slot in self._slots))
            outcome = self._next()
            if outcome is not None:
                yield outcome
                if outcome.fatal:
                    return

    def close(self) -> None:
        """End all actors at once; what they have not committed is lost, and done again."""
        for slot in self._slots:
            ray.kill(slot.actor)
        self._slots.clear()

    def _new_actor(self) -> tuple[Any, Any]:
        actor = self._remote.remote(self._stage_ref)
        return actor, actor.setup.remote()

    def _finished(self) -> bool:
        """Hand out what can be; True if nothing is in work and nothing is left."""
        for depth in range(1, 3 if self._seconds < AHEAD_BELOW else 2):
            for slot in self._slots:
                if slot.setup is None and len(slot.work) < depth:
                    self._hand_one(slot)
        return not any(slot.work for slot in self._slots) and self._ledger.empty

    def _hand_one(self, slot: _Slot[T]) -> None:
        task = self._ledger.take()
        if task is not None:
            slot.work.append((slot.actor.run.remote(task), task))

    def _next(self) -> Outcome | None:
        """Wait a moment for an answer and enter it."""
        slots = {slot.awaited: slot for slot in self._slots if slot.awaited is not None}
        done, _ = ray.wait(list(slots), timeout=1.0)
        if not done:
            return None
        slot = slots[done[0]]
        try:
            attempt: Attempt = ray.get(done[0])
        except RayTaskError as error:
            attempt = _lost("could not be handed to its actor", error)
        except RayError as error:
            return self._died(slot, error)
        return self._set_up(slot, attempt) if slot.setup is not None else self._did(slot, attempt)

    def _set_up(self, slot: _Slot[T], attempt: Attempt) -> Outcome | None:
        if attempt.trace:
            logger.debug("setup of %s failed:\n%s", self._stage.name, attempt.trace)
        if not attempt.outcome.error:
            slot.setup, slot.setups = None, 0
            return None
        if not attempt.again:
            return replace(attempt.outcome, task_id=self._some_task_id(), fatal=True)
        self._setup_failed(slot, attempt.outcome.error)
        return None

    def _setup_failed(self, slot: _Slot[T], error: str) -> None:
        slot.setups += 1
        self._replace(slot, error, given_up=slot.setups >= ATTEMPTS)

    def _did(self, slot: _Slot[T], attempt: Attempt) -> Outcome | None:
        task = slot.work.popleft()[1]
        slot.deaths = 0
        self._seconds = attempt.outcome.seconds
        if attempt.broken:
            self._replace(slot, attempt.outcome.error)
        return self._ledger.settle(task, replace(attempt, again=attempt.again))

    def _died(self, slot: _Slot[T], error: RayError) -> Outcome | None:
        """Only the task in work is charged with a death; the one behind it goes back."""
        if slot.setup is not None:
            logger.debug("setup of %s ended its process:\n%s", self._stage.name, error)
            self._setup_failed(slot, _last_line(error))
            return None
        task = slot.work.popleft()[1]
        slot.deaths += 1
        attempt = _lost("ended its process (killed, or out of memory)", error, task)
        self._replace(slot, attempt.outcome.error, given_up=slot.deaths >= DEATHS)
        return self._ledger.settle(task, attempt)

    def _replace(self, slot: _Slot[T], error: str, *, given_up: bool = False) -> None:
        """Put a new actor into the slot, or give the slot up."""
        self._error = f"no actor for {self._stage.name} stays alive; the last one: {error}"
        ray.kill(slot.actor)
        for _, task in slot.work:
            self._ledger.give_back(task)
        slot.work.clear()
        if given_up:
            self._slots.remove(slot)
        else:
            slot.actor, slot.setup = self._new_actor()

    def _some_task_id(self) -> str:
        """A task that is not done, to name in an outcome that concerns all of them."""
        task = self._ledger.take()
        if task is not None:
            return task.id
        return next((task.id for slot in self._slots for _, task in slot.work), "")


class _Patience:
    """Says, now and then, that no actor is ready yet."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._stage = stage
        self._since = time.monotonic()

    def check(self, *, ready: bool) -> None:
        """Warn if no actor was ready for `PATIENCE` seconds."""
        if ready:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > PATIENCE:
            self._since = time.monotonic()
            needs = self._stage.resources
            logger.warning(
                "no actor is ready after %.0f s: each needs %g CPU cores and %g GPUs, free are %s. "
                "The cluster may still start machines or load the model; Ctrl-C loses nothing",
                PATIENCE,
                needs.cpus,
                needs.gpus,
                _in_words(ray.available_resources()),
            )


def _lost(what: str, error: RayError, task: Task | None = None) -> Attempt:
    """An attempt that never came back."""
    message = f"the task {what}: {_last_line(error)}"
    outcome = Outcome(task.id if task else "", error=message)
    return Attempt(outcome, again=True, trace=str(error))


def _last_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _actor_options(needs: Resources) -> dict[str, object]:
    """Thread counts must be in the environment before the actor's libraries are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    threads = dict.fromkeys(names, str(needs.threads))
    return {
        "num_cpus": needs.cpus,
        "num_gpus": needs.gpus,
        "max_restarts": 0,
        "runtime_env": {"env_vars": threads},
    }


def _machines() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _in_words(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPU cores and {resources.get('GPU', 0):g} GPUs"


def _places(needs: Resources) -> int:
    """Actors that fit the machines now: by GPUs if they need any, else by cores."""
    kind, amount = ("GPU", needs.gpus) if needs.gpus else ("CPU", needs.cpus)
    return max(1, sum(int(machine.get(kind, 0) / amount) for machine in _machines()))


def _check_machines(stage: Stage[T]) -> None:
    """Refuse at once what Ray would wait for without end."""
    needs, machines = stage.resources, _machines()
    gpus = max((machine.get("GPU", 0) for machine in machines), default=0)
    cpus = max((machine.get("CPU", 0) for machine in machines), default=0)
    if needs.gpus > gpus:
        raise ModelError(
            f"{stage.name} needs {needs.gpus:g} GPU for each actor, the best of {len(machines)} "
            f"machine(s) has {gpus:g}: run it where GPUs are, set RAY_ADDRESS to a cluster "
            "that has some (its GPU machines must have joined), or choose a CPU recipe"
        )
    if needs.cpus > cpus:
        raise RunError(
            f"{stage.name} needs {needs.cpus:g} CPU cores for each actor, the best of "
            f"{len(machines)} machine(s) has {cpus:g}"
        )


@contextmanager
def _cluster(cpus: int) -> Iterator[None]:
    """Be connected inside the block; stop and restore afterwards what was not so before."""
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    before = dict(os.environ)
    try:
        _connect(cpus)
        if main:
            # ray.init takes SIGTERM for itself; it is the command's to end on.
            signal.signal(signal.SIGTERM, handler)
        yield
    finally:
        ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, handler)
        _restore(before)


def _connect(cpus: int) -> None:
    os.environ.update(QUIET)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        try:
            ray.init(**options)
        except (OSError, RuntimeError, ValueError, RayError) as error:
            raise RunError(
                f"no Ray cluster answers at RAY_ADDRESS={address}: {error}; "
                "start it (ray up ray_cluster.yaml), or unset RAY_ADDRESS to run on this machine"
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
    """This process' own token for its local cluster.

    Ray would write one into the home folder, readable by others where the umask is 022, and
    fail where the home cannot be written.
    """
    return secrets.token_hex(32)


def _restore(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
