"""What a task used of its actor: time by part, idle time, memory of the GPU, bytes written.

It goes into the log of the run and into the metrics of a cluster. No result depends on it.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Usage:
    """What a task used.

    Attributes:
        run_id: The run that it worked on.
        actor: The machine and the process id of the actor.
        seconds: Part of the work -> wall seconds. The parts of a task may run beside those of the
            next task.
        idle: Share of the time since the task before in which the thread that draws did not draw,
            in [0, 1]; None for work that does not draw.
        gpu_bytes: Most memory of the GPU that torch has held in this process; None without a GPU.
        written_bytes: Size of the files that were committed.
    """

    run_id: str
    actor: str
    seconds: dict[str, float]
    idle: float | None = None
    gpu_bytes: int | None = None
    written_bytes: int = 0


@dataclass
class Stopwatch:
    """Takes the time of the parts of a task.

    Attributes:
        seconds: Part -> wall seconds.
        idle: As in `Usage`.
        written_bytes: As in `Usage`.

    Example:
        >>> watch = Stopwatch()
        >>> with watch.part("draw"):
        ...     pass
        >>> list(watch.usage("a1").seconds)
        ['draw']
    """

    seconds: dict[str, float] = field(default_factory=dict)
    idle: float | None = None
    written_bytes: int = 0

    def __post_init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Wall seconds since the task began."""
        return time.perf_counter() - self._start

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def usage(self, run_id: str) -> Usage:
        """Say what the task has used; in the process that did it."""
        seconds = {name: round(value, 4) for name, value in self.seconds.items()}
        actor = f"{platform.node()}:{os.getpid()}"
        return Usage(run_id, actor, seconds, self.idle, _gpu_bytes(), self.written_bytes)


def _gpu_bytes() -> int | None:
    torch = sys.modules.get("torch")  # what was never imported holds no memory
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())
