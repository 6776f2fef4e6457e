"""Stages: what is done to one tile or shard, wherever it runs.

A stage has two moments: `setup`, once per actor (load the model), and `run`, once per task.
It says what it needs (`Resources`); nothing is guessed from the machine that submits. It
writes its own result and returns a small outcome, so pixels never travel through the driver.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Uint8Images = npt.NDArray[np.uint8]
"""Images of shape (B, H, W, 3), RGB, uint8."""


@dataclass(frozen=True)
class Resources:
    """What one actor of a stage needs.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs; 0 for a stage that runs on the CPU.
        threads: Torch threads in the actor. One per CPU actor: two actors of one thread beat
            one of two threads on small models, and do not fight over cores on any.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 1


def combine_resources(needs: Iterable[Resources]) -> Resources:
    """What an actor needs that does several things in turn: the most of each kind.

    Example:
        >>> combine_resources([Resources(gpus=1.0), Resources(threads=2)])
        Resources(cpus=1.0, gpus=1.0, threads=2)
    """
    found = tuple(needs) or (Resources(),)
    return Resources(
        cpus=max(need.cpus for need in found),
        gpus=max(need.gpus for need in found),
        threads=max(need.threads for need in found),
    )


class Task(Protocol):
    """One unit of work with a name; picklable."""

    @property
    def id(self) -> str:
        """Name of the task, unique within a run."""
        ...


TaskT = TypeVar("TaskT", bound=Task, contravariant=True)


@dataclass(frozen=True)
class Outcome:
    """What a task came to.

    Attributes:
        task_id: The task.
        cells: Cells done, failed ones included.
        failed: Cells without a usable image.
        seconds: Time in `run`.
        error: Why the task has no result; empty if it has one.
        fatal: The error will meet every task (wrong path, missing GPU): stop at once.
        truncated: Ids of the task's prompts that the text encoder cut off.
    """

    task_id: str
    cells: int = 0
    failed: int = 0
    seconds: float = 0.0
    error: str = ""
    fatal: bool = False
    truncated: tuple[str, ...] = ()


class Stage(Protocol[TaskT]):
    """Work that an executor spreads over actors; picklable before `setup`.

    Attributes:
        name: What it does, for messages.
        resources: What one actor needs.
    """

    name: str
    resources: Resources

    def setup(self) -> None:
        """Make ready, once per actor. GoldenseedError if it can never work here."""
        ...

    def run(self, task: TaskT) -> Outcome:
        """Do one task and commit its result; doing it twice must be harmless."""
        ...


class Sink(Protocol):
    """Takes finished image shards while their pixels are still in memory.

    `generate` knows only this: what a sink makes of the images (features) is not its business.

    Attributes:
        resources: What it needs in the actor that draws.
    """

    resources: Resources

    def setup(self) -> None:
        """Make ready, once per actor."""
        ...

    def wants(self, shard_id: str, block: str) -> bool:
        """Whether this shard's result is still missing."""
        ...

    def take(self, shard: "DrawnShard") -> None:
        """Make and commit the result of one shard."""
        ...


@dataclass(frozen=True)
class DrawnShard:
    """A committed image shard together with its pixels.

    Attributes:
        shard_id: Tile id.
        block: Seed block, the receipt's folder.
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

    What an exception means:

    - in `setup`: fatal. A GoldenseedError at once, any other after three tries.
    - GoldenseedError in `run`: the task's outcome carries the message; not tried again. A
      StoreError is fatal as well, because a full disk meets every task.
    - any other in `run`, or the death of the process: tried up to three times.
    """

    def run(self, stage: Stage[TaskT], tasks: Iterable[TaskT]) -> Iterator[Outcome]:
        """Yield one outcome per task, in the order in which they finish.

        A fatal outcome is the last one: the tasks without an outcome were not done.

        Raises:
            ModelError: If the stage wants GPUs that are not there.
            RunError: If the machines cannot be reached or have too few cores for one actor.
        """
        ...
