"""Time the overhead of Ray and the driver: 200 shards of a 50 ms stub stage on two actors.

The time runs from the moment both actors are ready to the last outcome in the driver; the time to
start Ray and two actors is reported separately. It is compared with the ideal (200 times 50 ms
over two workers) and, in turn, with two bare processes that each do half of the shards in a loop,
without any driver.

    python -m benchmarks.orchestration
"""

import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.harness import Timings, report
from pipeline.executors.base import make_executor
from pipeline.stage import Outcome, Resources

SHARDS = 200
SECONDS = 0.05
WORKERS = 2
PAIRS = 5
GOAL = 1.05


@dataclass(frozen=True)
class Shard:
    """A task that is only a name."""

    id: str


@dataclass
class Stub:
    """Waits as long as a shard would take; an actor is ready only when all actors are."""

    ready: Path
    name: str = "stub"
    resources: Resources = field(default_factory=Resources)

    def setup(self) -> None:
        """Mark this actor as ready and wait for the others."""
        tempfile.mkstemp(dir=self.ready)
        while len(list(self.ready.iterdir())) < WORKERS:
            time.sleep(0.001)

    def run(self, task: Shard) -> Outcome:
        """Take 50 ms."""
        start = time.perf_counter()
        time.sleep(SECONDS)
        return Outcome(task.id, cells=1, seconds=time.perf_counter() - start)


def on_ray() -> tuple[float, float]:
    """Seconds from all actors ready to the last outcome, and from the call to ready."""
    with tempfile.TemporaryDirectory() as folder:
        called = time.time()
        tasks = (Shard(str(number)) for number in range(SHARDS))
        done, ended = 0, called
        for outcome in make_executor("ray", WORKERS).run(Stub(Path(folder)), tasks):
            done, ended = done + (not outcome.error), time.time()
        ready = max(mark.stat().st_mtime for mark in Path(folder).iterdir())
    if done != SHARDS:
        raise RuntimeError(f"{SHARDS - done} shards were not done")
    return ended - ready, ready - called


def bare(barrier: Barrier, ends: "multiprocessing.SimpleQueue[float]") -> None:
    """Do one process's half of the shards in a loop."""
    barrier.wait()
    for _ in range(SHARDS // WORKERS):
        time.sleep(SECONDS)
    ends.put(time.time())


def on_bare_processes() -> float:
    """Seconds of the same work in processes without a driver."""
    context = multiprocessing.get_context("spawn")
    barrier, ends = context.Barrier(WORKERS + 1), context.SimpleQueue()
    processes = [context.Process(target=bare, args=(barrier, ends)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    barrier.wait()
    start = time.time()
    for process in processes:
        process.join()
    last: float = max(ends.get() for _ in processes)
    return last - start


def main() -> int:
    """Time both sides in turn and report."""
    ours, starts, peer = [], [], []
    for pair in range(PAIRS):
        for side in ("ours", "peer") if pair % 2 == 0 else ("peer", "ours"):
            if side == "peer":
                peer.append(on_bare_processes())
                continue
            wall, start = on_ray()
            ours.append(wall)
            starts.append(start)
        print(json.dumps({"pair": pair, "ours": ours[-1], "peer": peer[-1]}), flush=True)
    timings, ideal = Timings(tuple(ours), tuple(peer)), SHARDS * SECONDS / WORKERS
    ratio = timings.ours_median / ideal
    return report(
        benchmark="orchestration",
        ours=round(timings.ours_median, 4),
        peer=ideal,
        unit="s",
        ratio=round(ratio, 4),
        goal=GOAL,
        runs=PAIRS,
        ok=ratio <= GOAL,
        more={
            "ratio_is": "wall over ideal: lower is better",
            "bare_processes": round(timings.peer_median, 4),
            "over_bare_processes": round(timings.ours_median / timings.peer_median, 4),
            "start_seconds": round(sorted(starts)[len(starts) // 2], 2),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
