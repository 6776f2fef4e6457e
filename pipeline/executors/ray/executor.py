"""The Ray executor: runs a stage on a pool of Ray actors."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from pipeline.errors import ConfigError
from pipeline.executors.base import Ledger
from pipeline.executors.pool.pool import Pool
from pipeline.executors.ray.actors import RayActors
from pipeline.executors.ray.cluster import cluster, is_joined, machines_of_cluster
from pipeline.executors.ray.machines import check_machines
from pipeline.stage import Outcome, Stage, Task

T = TypeVar("T", bound=Task)


class RayExecutor:
    """Runs a stage on Ray actors.

    As a context manager it keeps a local cluster from one run to the next, because a start takes
    seconds; otherwise each run starts and stops its own. A cluster that ran before stays as it was.

    Args:
        workers: Number of actors; None for as many as fit the machines, also those that join later.

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
        self._open.enter_context(cluster(self.workers or 1))
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
            ModelError: If an actor needs more GPUs than this machine has.
            RunError: If the cluster of RAY_ADDRESS does not answer, or an actor needs more
                CPU cores than this machine has.
            IncompleteError: If a machine that fits an actor does not join the cluster of
                RAY_ADDRESS for a long time.
        """
        ledger = Ledger(tasks)
        if not ledger.waiting(1):
            return
        with cluster(math.ceil((self.workers or 1) * stage.resources.cpus)):
            joins = is_joined()
            if not joins:
                check_machines(stage.name, stage.resources, machines_of_cluster())
            pool = Pool(stage.name, RayActors(stage, self.workers, joins=joins), ledger)
            try:
                yield from pool.outcomes()
            finally:
                pool.close()
