"""Time two sides in turn, and print the line of JSON that each benchmark ends with."""

import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timings:
    """Wall seconds of alternating calls.

    Attributes:
        ours: Seconds of each call of our side, in order.
        peer: Seconds of each call of the other side, in order.
    """

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def ours_median(self) -> float:
        """Median seconds of our side."""
        return statistics.median(self.ours)

    @property
    def peer_median(self) -> float:
        """Median seconds of the other side."""
        return statistics.median(self.peer)


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call.

    Example:
        >>> seconds(lambda: None) >= 0
        True
    """
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(ours: Callable[[], object], peer: Callable[[], object], pairs: int = 5) -> Timings:
    """Time both sides in turn, so that a slow minute of the machine affects both.

    The side that goes first changes from pair to pair. Nothing is warmed up here: to start warm,
    call both sides once before.

    Args:
        ours: Our side, called `pairs` times.
        peer: The other side, called `pairs` times.
        pairs: Number of pairs, at least 1.

    Returns:
        The seconds of each call.

    Example:
        >>> timings = alternate(lambda: None, lambda: None, pairs=2)
        >>> len(timings.ours), len(timings.peer)
        (2, 2)
    """
    if pairs < 1:
        raise ValueError(f"pairs is {pairs}; at least 1 is needed")
    measured: dict[str, list[float]] = {"ours": [], "peer": []}
    sides = [("ours", ours), ("peer", peer)]
    for pair in range(pairs):
        for name, work in sides if pair % 2 == 0 else reversed(sides):
            measured[name].append(seconds(work))
    return Timings(tuple(measured["ours"]), tuple(measured["peer"]))


def peak_megabytes() -> float:
    """Largest resident memory of this process.

    It is read from Linux' own counter if there is one: `getrusage` also counts the parent's memory,
    which the process shared for a moment when it was forked.
    """
    table = Path("/proc/self/status")
    if table.exists():
        peak = next(line for line in table.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> str:
    """Describe the processor and the number of cores that this process may use.

    Example:
        >>> "cores" in machine()
        True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, load {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    """Name of the processor, from Linux' own table if there is one."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report(
    *,
    benchmark: str,
    ours: float,
    peer: float,
    unit: str,
    ratio: float,
    goal: float,
    runs: int,
    ok: bool,
    more: Mapping[str, object] | None = None,
) -> int:
    """Print the result as one JSON object on the last line of the standard output.

    Args:
        benchmark: Name of the benchmark, which is that of its file.
        ours: Our number, in `unit`.
        peer: The other side's number, in `unit`.
        unit: Unit of both numbers.
        ratio: How many times better ours is.
        goal: The ratio to reach.
        runs: Number of alternating pairs that the numbers were computed from.
        ok: Whether the goal was reached and all checks passed.
        more: Further fields.

    Returns:
        The exit code of every benchmark: 0 if `ok`, otherwise 1.
    """
    fields: dict[str, object] = {
        "benchmark": benchmark,
        "ours": ours,
        "peer": peer,
        "unit": unit,
        "ratio": ratio,
        "goal": goal,
        "runs": runs,
        "machine": machine(),
        "ok": ok,
    }
    fields.update(more or {})
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()
    return 0 if ok else 1


def report_ratio(
    benchmark: str,
    ours: float,
    peer: float,
    *,
    unit: str,
    goal: float,
    runs: int,
    right: bool,
    more: Mapping[str, object],
) -> int:
    """Report two costs; the ratio is the other side's cost divided by ours.

    Args:
        benchmark: Name of the benchmark.
        ours: Cost of our side, in `unit`; lower is better.
        peer: Cost of the other side, in `unit`.
        unit: Unit of both costs.
        goal: The ratio to reach.
        runs: Number of alternating pairs that the costs were computed from.
        right: Whether both sides gave the same result.
        more: Further fields.

    Returns:
        The exit code, as for `report`.
    """
    ratio = peer / ours
    return report(
        benchmark=benchmark,
        ours=ours,
        peer=peer,
        unit=unit,
        ratio=ratio,
        goal=goal,
        runs=runs,
        ok=right and ratio >= goal,
        more=more,
    )
