"""Defines stages: the work that is done to one tile or shard, wherever it runs.

A stage has two methods: `setup`, called once per actor (load the model), and `run`, called once per
task. It states the resources that it needs; nothing is guessed from the machine that submits the
work. It writes its own result and returns a small outcome, so pixels never pass through the driver.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.usage import Stopwatch, Usage

Uint8Images = npt.NDArray[np.uint8]
"""Images of shape (B, H, W, 3), RGB, uint8."""


@dataclass(frozen=True)
class Resources:
    """The resources of one actor of a stage.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs; 0 for a stage that runs on the CPU.
        threads: Torch threads in the actor. One per CPU actor: on small models two actors with
            one thread each are faster than one actor with two, and they never compete for cores.
        beside: Threads for work that goes on while the next task is begun; see `Overlapping`.
        memory: Bytes of memory; 0 where it is little, or not known.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 1
    beside: int = 0
    memory: int = 0


def combine_resources(needs: Iterable[Resources]) -> Resources:
    """The resources of an actor that does several kinds of work in turn: the maximum of each.

    Example:
        >>> combine_resources([Resources(gpus=1.0), Resources(threads=2)])
        Resources(cpus=1.0, gpus=1.0, threads=2, beside=0, memory=0)
    """
    all_needs = tuple(needs) or (Resources(),)
    return Resources(
        cpus=max(need.cpus for need in all_needs),
        gpus=max(need.gpus for need in all_needs),
        threads=max(need.threads for need in all_needs),
        beside=max(need.beside for need in all_needs),
        memory=max(need.memory for need in all_needs),
    )


class Task(Protocol):
    """One unit of work; picklable."""

    @property
    def id(self) -> str:
        """Name of the task; unique within a run."""
        ...


TaskT = TypeVar("TaskT", bound=Task, contravariant=True)


@dataclass(frozen=True)
class Outcome:
    """The result of a task.

    Attributes:
        task_id: The task.
        cells: Cells done, failed ones included.
        failed: Cells without a usable image.
        seconds: Time spent in `run`.
        error: Why the task has no result; empty if it has one.
        fatal: Whether the error concerns all tasks (wrong path, missing GPU), so that the stage
            stops at once.
        truncated_prompts: Ids of the task's prompts that the text encoder cut off.
        reasons: Why cells have no usable image, and how many for each reason.
        usage: What the task used; None if it was not measured.
    """

    task_id: str
    cells: int = 0
    failed: int = 0
    seconds: float = 0.0
    error: str = ""
    fatal: bool = False
    truncated_prompts: tuple[str, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    usage: Usage | None = None


def count_reasons(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Count the reasons of failed cells: the five most common, each cut to 200 characters.

    Example:
        >>> count_reasons(["nonfinite: NaN", "failed: no memory", "nonfinite: NaN"])
        (('nonfinite: NaN', 2), ('failed: no memory', 1))
    """
    return tuple(Counter(reason[:200] for reason in reasons).most_common(5))


class Stage(Protocol[TaskT]):
    """Work that an executor spreads over actors; picklable before `setup`.

    Attributes:
        name: Its name in messages.
        resources: What one actor needs.
    """

    name: str
    resources: Resources

    def setup(self) -> None:
        """Prepare the actor, once. Raises GoldenseedError if the stage cannot run here."""
        ...

    def run(self, task: TaskT) -> Outcome:
        """Do one task and commit its result. Doing a task twice must be harmless."""
        ...


@runtime_checkable
class Overlapping(Protocol[TaskT]):
    """A stage that can begin a task while the one before it is being finished."""

    def begin(self, task: TaskT) -> Callable[[], Outcome]:
        """Do the part of a task that needs the device; the function returned does the rest.

        Executors call `begin` for one task after another in one thread, and the functions that it
        returns in another. They do so only if the stage's resources grant threads `beside`.
        """
        ...


class Sink(Protocol):
    """Takes finished image shards while their pixels are still in memory.

    `generate` knows only this protocol, not what a sink computes from the images (features).

    Attributes:
        resources: What it needs in the actor that draws.
    """

    resources: Resources

    def setup(self) -> None:
        """Prepare the actor, once."""
        ...

    def wants(self, shard_id: str, block: str) -> bool:
        """Whether this shard's result is still missing."""
        ...

    def take(self, shard: "DrawnShard", watch: Stopwatch) -> None:
        """Compute and commit the result of one shard, and take the time of its parts."""
        ...


@dataclass(frozen=True)
class DrawnShard:
    """A committed image shard together with its pixels.

    Attributes:
        shard_id: Tile id.
        block: Name of the seed block, the folder of the receipt.
        content_sha256: Content hash in the shard's receipt.
        rows: The shard's rows without the image column, one per cell.
        images: (N, H, W, 3) uint8, aligned with `rows`; zeros where the status is not ok.
    """

    shard_id: str
    block: str
    content_sha256: str
    rows: pa.Table
    images: Uint8Images


class Executor(Protocol):
    """Runs a stage over tasks. Results are the same on every executor.

    What happens after an exception:

    - In `setup`: fatal. A GoldenseedError at once, any other exception after three tries.
    - A GoldenseedError in `run`: the outcome of the task carries the message, and the task is not
      tried again. A StoreError is also fatal, because a full disk concerns all tasks.
    - Any other exception in `run`, or the death of the process: the task is tried three times.
    """

    def run(self, stage: Stage[TaskT], tasks: Iterable[TaskT]) -> Iterator[Outcome]:
        """Yield one outcome per task, in the order in which they finish.

        A fatal outcome is the last one; the tasks without an outcome were not done.

        Raises:
            ModelError: If the stage needs GPUs that are not there.
            RunError: If the machines cannot be reached, or have too few cores for one actor.
        """
        ...
